#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xml/recorder.h"
#include "libs/xml/scanner.h"

// For tests: scanning whole documents, in any pieces.
namespace parley::xml {

inline constexpr std::string_view kHeader =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    "xmlns:s='urn:s' to='example.org' version='1.0'>";

struct ScanResult {
  Scanner::Status status = Scanner::Status::kMore;
  std::optional<Fault> fault;
  std::vector<std::string> events;
  bool incomplete = false;

  bool operator==(const ScanResult&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const ScanResult& result) {
  out << "status " << static_cast<int>(result.status);
  if (result.fault) out << " fault " << static_cast<int>(*result.fault);
  for (const std::string& event : result.events) out << "\n  " << event;
  return out << (result.incomplete ? "\n  incomplete" : "");
}

inline ScanResult Scan(const std::vector<std::string_view>& pieces, const Limits& limits = {}) {
  Scanner scanner(limits);
  Recorder recorder;
  ScanResult result;
  for (const std::string_view piece : pieces) {
    // A copy of its own size, so that a sanitizer sees every step beyond.
    const std::vector<char> bytes(piece.begin(), piece.end());
    std::size_t consumed = 0;
    result.status = scanner.Feed({bytes.data(), bytes.size()}, recorder, consumed);
    if (result.status == Scanner::Status::kFault) {
      result.fault = scanner.fault();
      break;
    }
    EXPECT_EQ(consumed, piece.size());
  }
  result.events = recorder.events;
  result.incomplete = scanner.incomplete();
  return result;
}

inline std::vector<std::string_view> Bytes(std::string_view text) {
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  return bytes;
}

// Within the stream of kHeader.
inline std::optional<Fault> FaultOf(std::string_view stanzas, const Limits& limits = {}) {
  const std::string document = std::string(kHeader) + std::string(stanzas);
  const ScanResult whole = Scan({document}, limits);
  EXPECT_EQ(whole, Scan(Bytes(document), limits)) << document;
  return whole.fault;
}

}  // namespace parley::xml
