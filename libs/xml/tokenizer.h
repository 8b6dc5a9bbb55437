#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/xml/scanner.h"

// Cuts the bytes of one element into tags and text, resumably: its whole state is where it stands, so that bytes may
// come one by one at constant cost each. All places are offsets, since the bytes may move between calls.
namespace parley::xml {

struct Span {
  std::uint32_t at = 0;
  std::uint32_t size = 0;
  std::string_view In(std::string_view data) const { return {data.data() + at, size}; }
};

// A qualified name (Namespaces in XML, production 7).
struct NameSpan {
  Span whole;
  std::uint32_t prefix_size = 0;  // 0: no prefix
  std::string_view In(std::string_view data) const { return whole.In(data); }
  std::string_view Prefix(std::string_view data) const { return {data.data() + whole.at, prefix_size}; }
  std::string_view Local(std::string_view data) const {
    return whole.In(data).substr(prefix_size == 0 ? 0 : prefix_size + 1);
  }
};

struct AttributeSpan {
  NameSpan name;
  Span value;
  bool verbatim = true;  // nothing in the value needs Unescape
};

class Tokenizer {
 public:
  enum class Token : std::uint8_t { kNone, kMore, kFault, kText, kCdata, kStartTag, kEmptyTag, kEndTag };

  explicit Tokenizer(std::size_t max_attributes) : max_attributes_(max_attributes) {}
  // `data` begins with a '<' and may have grown, or moved, since the last call. Never kNone.
  Token Next(std::string_view data);

  Fault fault() const { return fault_; }
  std::size_t position() const { return pos_; }
  const Span& text() const { return text_; }                        // of kText and kCdata, raw
  const NameSpan& name() const { return name_; }                    // of tags
  std::vector<AttributeSpan>& attributes() { return attributes_; }  // of start tags
  void Reset(std::size_t max_attributes);
  std::size_t memory() const { return attributes_.capacity() * sizeof(AttributeSpan); }

 private:
  enum class State : std::uint8_t {
    kContent,
    kTextReference,
    kMarkup,
    kCdata,
    kStartName,
    kInTag,
    kAttributeName,
    kEquals,
    kQuote,
    kValue,
    kValueReference,
    kSlash,
    kEndName,
    kEndSpace,
  };

  Token Step();
  Token Content();
  Token Markup();
  Token Section();
  Token Cdata();
  Token StartName();
  Token InTag();
  Token AttributeName();
  Token Equals();
  Token Quote();
  Token Value();
  Token Slash();
  Token EndName();
  Token EndSpace();
  Token TakeReference(State next);
  // kNone when the name is complete, in name_.
  Token TakeName();
  bool CheckName() const;
  // Over the character at `p`, which is not ASCII.
  Token TakeCharacter(const char*& p);
  bool SkipSpace();  // false: out of bytes

  const char* at(std::size_t offset) const { return data_.data() + offset; }
  const char* end() const { return data_.data() + data_.size(); }
  std::uint32_t OffsetOf(const char* p) const { return static_cast<std::uint32_t>(p - data_.data()); }
  Span SpanFrom(std::uint32_t start, const char* p) const { return {start, OffsetOf(p) - start}; }
  Token Go(State state, const char* p) {
    state_ = state;
    pos_ = OffsetOf(p);
    return Token::kNone;
  }
  Token Suspend(const char* p) {
    pos_ = OffsetOf(p);
    return Token::kMore;
  }
  Token Fail(Fault fault) {
    fault_ = fault;
    return Token::kFault;
  }
  void BeginName(const char* p, State state);

  std::string_view data_;
  State state_ = State::kMarkup;
  Fault fault_ = Fault::kNotWellFormed;
  char quote_ = 0;
  bool spaced_ = false;        // white space since the last name or value
  std::uint32_t pos_ = 0;      // all before is judged
  std::uint32_t text_at_ = 0;  // where the current text or CDATA section begins
  std::uint32_t mark_ = 0;     // where the current name or reference begins
  std::uint32_t colon_ = 0;    // of the current name; 0: none
  Span text_;
  NameSpan name_;
  std::vector<AttributeSpan> attributes_;
  std::size_t max_attributes_;
};

}  // namespace parley::xml
