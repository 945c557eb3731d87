// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "status.hpp"

#include <gtest/gtest.h>
#include <infiniband/efa_diag.h>

#include <map>
#include <set>
#include <string>

namespace {

// Spec device-io I8 and verbs V85, by number: the names in the code may be wrong together.
const std::map<int, ibv_wc_status> specified = {
    {0, IBV_WC_SUCCESS},
    {1, IBV_WC_WR_FLUSH_ERR},
    {2, IBV_WC_LOC_QP_OP_ERR},
    {3, IBV_WC_LOC_QP_OP_ERR},
    {4, IBV_WC_LOC_QP_OP_ERR},
    {5, IBV_WC_LOC_PROT_ERR},
    {6, IBV_WC_LOC_LEN_ERR},
    {7, IBV_WC_REM_ACCESS_ERR},
    {8, IBV_WC_REM_ABORT_ERR},
    {9, IBV_WC_REM_INV_RD_REQ_ERR},
    {10, IBV_WC_RNR_RETRY_EXC_ERR},
    {11, IBV_WC_REM_INV_REQ_ERR},
    {12, IBV_WC_BAD_RESP_ERR},
    {13, IBV_WC_RESP_TIMEOUT_ERR},
    {14, IBV_WC_REM_OP_ERR},
    {15, IBV_WC_RESP_TIMEOUT_ERR},
    {18, IBV_WC_REM_INV_REQ_ERR},
};

TEST(Status, EveryByteHasTheVerbsStatusOfTheSpecification) {
  for (int code = 0; code < 256; code++) {
    auto entry = specified.find(code);
    auto expected = entry == specified.end() ? IBV_WC_GENERAL_ERR : entry->second;
    EXPECT_EQ(efa::wc_status(static_cast<std::uint8_t>(code)), expected)
        << "device status " << code;
  }
}

TEST(Status, TranslationIsDoneByTheCompilerWhereTheNumberIsKnown) {
  static_assert(efa::wc_status(10) == IBV_WC_RNR_RETRY_EXC_ERR);
}

TEST(VendorErr, EveryStatusHasItsOwnSentenceWithACure) {
  std::set<std::string> seen;
  for (const auto& [code, status] : specified) {
    const char* text = efa_vendor_err_str(static_cast<std::uint32_t>(code));
    ASSERT_NE(text, nullptr);
    EXPECT_TRUE(seen.insert(text).second) << code << " has the text of another: " << text;
    EXPECT_EQ(std::string(text).find('\n'), std::string::npos);
    if (code != 0) {
      EXPECT_NE(std::string(text).find("; "), std::string::npos) << "no cure: " << text;
    }
  }
}

TEST(VendorErr, UnknownNumbersGetASentenceThatNoKnownOneHas) {
  std::string unknown = efa_vendor_err_str(0xffffffff);
  for (std::uint32_t code : {16u, 17u, 19u, 255u, 256u, 0x10001u}) {
    EXPECT_EQ(efa_vendor_err_str(code), unknown) << code;
  }
  for (const auto& [code, status] : specified) {
    EXPECT_NE(efa_vendor_err_str(static_cast<std::uint32_t>(code)), unknown) << code;
  }
}

}  // namespace
