#include "common/http/sse_reader.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace gateway::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Event {
  std::string type, data, raw;
  bool clean = false;
  friend bool operator==(const Event& a, const Event& b) {
    return a.type == b.type && a.data == b.data;
  }
  friend void PrintTo(const Event& event, std::ostream* out) {
    *out << "{" << event.type << "|" << event.data << "}";
  }
};

Event Copy(const SseEvent& event) {
  return {std::string(event.type), std::string(event.data),
          std::string(event.raw), event.clean};
}

// Reads a stream that comes in these pieces, each in memory of its own that is
// overwritten afterwards.
std::vector<Event> Read(const std::vector<std::string>& pieces) {
  SseReader reader;
  std::vector<Event> events;
  SseEvent event;
  for (std::string piece : pieces) {
    reader.Feed(piece);
    while (reader.Next(event)) events.push_back(Copy(event));
    std::fill(piece.begin(), piece.end(), '#');
  }
  while (reader.Finish(event)) events.push_back(Copy(event));
  return events;
}

Event Data(std::string data) { return {"", std::move(data), ""}; }

TEST(SseReaderTest, ReadsEvents) {
  EXPECT_THAT(Read({"data: a\n\ndata: b\n\n"}),
              ElementsAre(Data("a"), Data("b")));
}

TEST(SseReaderTest, ReadsEveryLineEnd) {
  EXPECT_THAT(Read({"data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\n"}),
              ElementsAre(Data("a"), Data("b"), Data("c"), Data("d")));
}

TEST(SseReaderTest, StripsABom) {
  EXPECT_THAT(Read({"\xEF\xBB\xBF"
                    "data: a\n\n"}),
              ElementsAre(Data("a")));
  // Only at the start.
  EXPECT_THAT(Read({"data: a\n\n\xEF\xBB\xBF"
                    "data: b\n\n"}),
              ElementsAre(Data("a")));
}

TEST(SseReaderTest, JoinsDataLines) {
  EXPECT_THAT(Read({"data: a\ndata:b\ndata\ndata:  c\n\n"}),
              ElementsAre(Data("a\nb\n\n c")));
}

TEST(SseReaderTest, ReadsTypes) {
  EXPECT_THAT(Read({"event: x\ndata: a\n\nevent:y\nevent: z\ndata: b\n\n"
                    "data: c\n\n"}),
              ElementsAre(Event{"x", "a", ""}, Event{"z", "b", ""}, Data("c")));
}

TEST(SseReaderTest, ReadsOverCommentsAndBlocksWithoutData) {
  EXPECT_THAT(Read({": hi\n\n\n\nevent: only\n\n:\n: ping\ndata: a\n: in\n\n"}),
              ElementsAre(Data("a")));
}

TEST(SseReaderTest, AnEmptyDataLineIsAnEvent) {
  EXPECT_THAT(Read({"data:\n\n"}), ElementsAre(Data("")));
}

TEST(SseReaderTest, OtherNamesAreNotData) {
  EXPECT_THAT(Read({"datax: a\ndat: b\n data: c\nData: d\n\n"}), IsEmpty());
}

TEST(SseReaderTest, CountsACompleteLinePendingAtTheEnd) {
  EXPECT_THAT(Read({"data: a\n\ndata: [DONE]\n"}),
              ElementsAre(Data("a"), Data("[DONE]")));
  EXPECT_THAT(Read({"data: [DONE]\r"}), ElementsAre(Data("[DONE]")));
  EXPECT_THAT(Read({"data: a\ndata: cut"}), ElementsAre(Data("a")));
  EXPECT_THAT(Read({"data: cut"}), IsEmpty());
}

TEST(SseReaderTest, SaysWhatMayBeForwardedAsItCame) {
  const auto events =
      Read({": ping\ndata: a\n\n", "event: x\r\ndata: b\r\n\r\n",
            "id: 1\ndata: c\n\n", "data: d\n: note\n\n",
            "retry: 1\ndata: e\n\n", "data: f\r\rdata: g\n"});
  ASSERT_EQ(events.size(), 7u);
  EXPECT_TRUE(events[0].clean);
  EXPECT_EQ(events[0].raw, "data: a\n\n");
  EXPECT_TRUE(events[1].clean);
  EXPECT_EQ(events[1].raw, "event: x\r\ndata: b\r\n\r\n");
  for (size_t i = 2; i < events.size(); ++i) EXPECT_FALSE(events[i].clean) << i;
}

TEST(SseReaderTest, DoesNotCopyWhatLiesInTheRun) {
  const std::string run = "data: a\n\nevent: t\ndata: b\n\ndata: c";
  SseReader reader;
  SseEvent event;
  reader.Feed(run);
  ASSERT_TRUE(reader.Next(event));
  EXPECT_EQ(event.raw.data(), run.data());
  EXPECT_EQ(event.data.data(), run.data() + 6);
  const char* end = event.raw.data() + event.raw.size();
  ASSERT_TRUE(reader.Next(event));
  EXPECT_EQ(event.raw.data(), end);
  EXPECT_FALSE(reader.Next(event));
}

TEST(SseReaderTest, GivesAnEventOutWithItsLastByte) {
  for (const std::string stream :
       {"data: a\n\n", "data: a\r\n\r", "data: a\r\r"}) {
    SseReader reader;
    SseEvent event;
    for (size_t i = 0; i < stream.size(); ++i) {
      const std::string byte = stream.substr(i, 1);
      reader.Feed(byte);
      EXPECT_EQ(reader.Next(event), i + 1 == stream.size()) << i;
    }
    EXPECT_EQ(event.data, "a");
  }
}

TEST(SseReaderTest, BoundsAnEvent) {
  SseReader reader(100);
  SseEvent event;
  const std::string begin = absl::StrCat("data: ", std::string(60, 'a'));
  reader.Feed(begin);
  EXPECT_FALSE(reader.Next(event));
  EXPECT_FALSE(reader.too_large());
  const std::string more(60, 'a');
  reader.Feed(more);
  EXPECT_FALSE(reader.Next(event));
  EXPECT_TRUE(reader.too_large());
  reader.Feed("\n\ndata: b\n\n");
  EXPECT_FALSE(reader.Next(event));

  SseReader whole(100);
  const std::string run = absl::StrCat("data: ", std::string(100, 'a'), "\n\n");
  whole.Feed(run);
  EXPECT_FALSE(whole.Next(event));
  EXPECT_TRUE(whole.too_large());
}

const char* const kStreams[] = {
    "data: {\"a\":1}\n\ndata: {\"b\":\"\xC3\xA9\"}\n\ndata: [DONE]\n\n",
    "\xEF\xBB\xBF: c\r\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\ndata: 3\r\n\r\n",
    "data: a\r\rdata: b\r\r: ping\rdata: c\r\r",
    "data:a\n\n: ping\n: ping\ndata: b\nid: 7\n\n\n\nretry: 5\n\ndata: c\n",
    "event: m\ndata: x\r\n\ndata: y\n\r\ndata: z\r\n\r\n\r\n",
};

TEST(SseReaderTest, EveryCutGivesTheSameEvents) {
  for (const std::string stream : kStreams) {
    const std::vector<Event> whole = Read({stream});
    ASSERT_FALSE(whole.empty());
    for (size_t a = 0; a <= stream.size(); ++a) {
      for (size_t b = a; b <= stream.size(); ++b) {
        ASSERT_EQ(Read({stream.substr(0, a), stream.substr(a, b - a),
                        stream.substr(b)}),
                  whole)
            << a << " " << b;
      }
    }
  }
}

TEST(SseReaderTest, RandomPiecesGiveTheSameEvents) {
  std::mt19937 random(7);
  std::string all;
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&all, kStreams[random() % 5],
                    "data: ", std::string(random() % 300, 'x'), "\n\n");
  }
  const std::vector<Event> whole = Read({all});
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> pieces;
    for (size_t at = 0; at < all.size();) {
      const size_t n = 1 + random() % (round % 2 == 0 ? 5 : 200);
      pieces.push_back(all.substr(at, n));
      at += n;
    }
    ASSERT_EQ(Read(pieces), whole) << round;
  }
}

TEST(SseReaderTest, CleanEventsAreTheStreamWithoutItsNoise) {
  std::string raw;
  for (const Event& event : Read({"data: a\n\n: n\ndata: b\n\nid: 1\n\n"})) {
    EXPECT_TRUE(event.clean);
    raw += event.raw;
  }
  EXPECT_EQ(raw, "data: a\n\ndata: b\n\n");
}

}  // namespace
}  // namespace gateway::http
