// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// FI_EFA_*: values that can be used are, others leave the default and are said (spec 4.1).
#include "objects/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "environment.hpp"

namespace {

using namespace efa::fi;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Reads numbers as libfabric does: as far as they go.
class Given final : public Parameters {
 public:
  Given(std::initializer_list<std::pair<const std::string, std::string>> values)
      : values_(values) {}

  std::optional<Parameter> find(const char* name, fi_param_type type) const override {
    const auto found = values_.find(name);
    if (found == values_.end()) return {};
    const std::string& text = found->second;
    const bool yes = type == FI_PARAM_BOOL && (text == "yes" || text == "on" || text == "true");
    return Parameter{text, yes ? 1 : std::strtoll(text.c_str(), nullptr, 0)};
  }

 private:
  std::map<std::string, std::string> values_;
};

struct Outcome {
  Settings settings;
  std::vector<std::string> complaints;
};
Outcome outcome(const Given& given) {
  Outcome result;
  result.settings = read_settings(given, result.complaints);
  return result;
}

TEST(Settings, WithoutVariablesAreTheDefaults) {
  const auto [settings, complaints] = outcome({});
  EXPECT_THAT(complaints, IsEmpty());
  EXPECT_EQ(settings.cq_size, 8192u);
  EXPECT_EQ(settings.recvwin_size, 16u);
  EXPECT_FALSE(settings.use_device_rdma.has_value());
}

TEST(Settings, TakeUsableValues) {
  const auto [settings, complaints] = outcome({{"tx_size", "64"},
                                               {"cq_size", "0x100"},
                                               {"recvwin_size", "1"},
                                               {"use_device_rdma", "0"},
                                               {"use_huge_page", "yes"},
                                               {"enable_shm_transfer", "0"},
                                               {"runt_size", "1000"}});
  EXPECT_THAT(complaints, IsEmpty());
  EXPECT_EQ(settings.tx_size, 64u);
  EXPECT_EQ(settings.cq_size, 256u);
  EXPECT_EQ(settings.recvwin_size, 1u);
  EXPECT_EQ(settings.use_device_rdma, false);
  EXPECT_EQ(settings.use_huge_page, true);
  EXPECT_FALSE(settings.enable_shm_transfer);
  EXPECT_EQ(settings.runt_size, 1000u);
}

TEST(Settings, SayWhatCannotBeUsedAndKeepTheDefault) {
  const struct {
    const char* name;
    const char* text;
    const char* why;
  } cases[] = {
      {"cq_size", "-3", "it is negative; the default is used: 8192"},
      {"tx_min_credits", "0", "it is less than 1; the default is used: 32"},
      {"tx_size", "many", "it is not a number"},
      {"tx_size", "", "it is not a number"},
      {"tx_size", "12 apples", "it is not a number"},
      {"runt_size", "-1", "it is negative; the default is used: 0"},
      {"recvwin_size", "12", "it is not a power of two; the default is used: 16"},
      {"max_timeout", "99999999999", "it is more than 2147483647"},
      {"use_device_rdma", "perhaps", "it is neither yes nor no; the default is used: by what"},
      {"mr_cache_enable", "maybe", "it is neither yes nor no; the default is used: yes"},
  };
  for (const auto& one : cases) {
    const auto [settings, complaints] = outcome({{one.name, one.text}});
    ASSERT_EQ(complaints.size(), 1u) << one.name << "=" << one.text;
    EXPECT_THAT(complaints[0], HasSubstr(one.why));
    EXPECT_EQ(settings.cq_size, 8192u);
    EXPECT_EQ(settings.tx_min_credits, 32u);
    EXPECT_EQ(settings.tx_size, 0u);
    EXPECT_EQ(settings.recvwin_size, 16u);
    EXPECT_EQ(settings.max_timeout, 1000000u);
    EXPECT_EQ(settings.runt_size, 0u);
    EXPECT_TRUE(settings.mr_cache_enable);
    EXPECT_FALSE(settings.use_device_rdma.has_value());
  }
}

TEST(Settings, AComplaintNamesTheVariableAsTheUserDoes) {
  EXPECT_THAT(outcome({{"recvwin_size", "12"}}).complaints,
              ElementsAre(HasSubstr("FI_EFA_RECVWIN_SIZE=12 is ignored: ")));
}

/// Whoever adds a setting under a name that environment.hpp does not have would never see a value.
class Recorder final : public Parameters {
 public:
  std::optional<Parameter> find(const char* name, fi_param_type) const override {
    asked.push_back(name);
    return {};
  }
  mutable std::vector<std::string> asked;
};

TEST(Settings, AskOnlyForVariablesThatExist) {
  const Recorder recorder;
  std::vector<std::string> complaints;
  read_settings(recorder, complaints);
  EXPECT_EQ(recorder.asked.size(), 30u);
  for (const std::string& name : recorder.asked) {
    bool known = false;
    for (const Variable& variable : variables()) known = known || name == variable.name;
    EXPECT_TRUE(known) << name;
  }
}

}  // namespace
