// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/units.hpp"

#include <gtest/gtest.h>

namespace efa::emu {
namespace {

TEST(Probability, IsANumberOrAPercentage) {
  EXPECT_DOUBLE_EQ(parse_probability("0.05").value(), 0.05);
  EXPECT_DOUBLE_EQ(parse_probability("5%").value(), 0.05);
  EXPECT_DOUBLE_EQ(parse_probability(" 12.5 % ").value(), 0.125);
  EXPECT_EQ(parse_probability("0").value(), 0);
  EXPECT_EQ(parse_probability("1").value(), 1);
  EXPECT_EQ(parse_probability("100%").value(), 1);
  EXPECT_DOUBLE_EQ(parse_probability("1e-3").value(), 0.001);
}

TEST(Probability, OutsideZeroToOneIsRefusedWithTheAllowedRange) {
  for (const char* text :
       {"", "x", "-0.1", "-0", "1.01", "101%", "5%%", "5 percent", "nan", "inf", "0x1", "%"}) {
    const auto parsed = parse_probability(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().text(), std::string("\"") + text +
                                         "\" is no probability; give 0 to 1 or 0% to 100%, such "
                                         "as 0.05 or 5%");
  }
}

TEST(Duration, HasAUnitFromNanosecondsToMinutes) {
  EXPECT_EQ(parse_duration("250ns").value(), 250u);
  EXPECT_EQ(parse_duration("10us").value(), 10'000u);
  EXPECT_EQ(parse_duration("10\u00b5s").value(), 10'000u);
  EXPECT_EQ(parse_duration("1.5ms").value(), 1'500'000u);
  EXPECT_EQ(parse_duration("2 s").value(), 2'000'000'000u);
  EXPECT_EQ(parse_duration("1min").value(), 60'000'000'000u);
  EXPECT_EQ(parse_duration("0").value(), 0u);
  EXPECT_EQ(parse_duration("1440min").value(), 86'400'000'000'000u);
}

TEST(Duration, WithoutUnitIsRefusedBecauseItIsAmbiguous) {
  for (const char* text : {"", "10", "us", "-1us", "1 hour", "1h", "infs", "1us2"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().text(), std::string("\"") + text +
                                         "\" is no duration; give a number with ns, us, ms, s or "
                                         "min, such as 10us or 1.5ms");
  }
}

TEST(Duration, LongerThanADayIsRefused) {
  EXPECT_EQ(parse_duration("1441min").error().text(),
            "\"1441min\" is too long a duration; give at most 24 hours (1440min)");
  EXPECT_FALSE(parse_duration("1e300s"));
}

TEST(Bandwidth, IsInGbitPerSecondUnlessSaidOtherwise) {
  EXPECT_DOUBLE_EQ(parse_bandwidth_gbps("100").value(), 100);
  EXPECT_DOUBLE_EQ(parse_bandwidth_gbps("100Gbit").value(), 100);
  EXPECT_DOUBLE_EQ(parse_bandwidth_gbps("2.5 Gbit/s").value(), 2.5);
  EXPECT_DOUBLE_EQ(parse_bandwidth_gbps("400Mbps").value(), 0.4);
  EXPECT_DOUBLE_EQ(parse_bandwidth_gbps("25Gb/s").value(), 25);
  EXPECT_DOUBLE_EQ(parse_bandwidth_gbps("1Kbit").value(), 1e-6);
  EXPECT_DOUBLE_EQ(parse_bandwidth_gbps("1Tbit").value(), 1000);
  EXPECT_EQ(parse_bandwidth_gbps("0").value(), 0);
}

TEST(Bandwidth, WithAnUnknownUnitIsRefused) {
  for (const char* text : {"", "fast", "10GB", "10GB/s", "-1Gbit", "10us", "10/s"}) {
    const auto parsed = parse_bandwidth_gbps(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().text(), std::string("\"") + text +
                                         "\" is no bandwidth; give bits per second with Kbit, "
                                         "Mbit, Gbit or Tbit, such as 100Gbit");
  }
}

TEST(Bandwidth, OutsideWhatLinksCanDoIsRefused) {
  for (const char* text : {"0.5Kbit", "1001Tbit", "1e-300"}) {
    const auto parsed = parse_bandwidth_gbps(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().text(),
              std::string("\"") + text +
                  "\" is no possible bandwidth; give 1Kbit to 1000Tbit, or 0 for no limit");
  }
}

}  // namespace
}  // namespace efa::emu
