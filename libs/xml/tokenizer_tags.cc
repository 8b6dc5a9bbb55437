#include <utility>

#include "libs/xml/chars.h"
#include "libs/xml/names.h"
#include "libs/xml/tokenizer.h"
#include "libs/xml/utf8.h"

// The inside of tags.
namespace parley::xml {

using Token = Tokenizer::Token;

bool Tokenizer::SkipSpace() {
  if (!IsSpace(*at(pos_))) return true;
  const char* const p = SkipWhile(at(pos_), end(), kSpaceByte);
  spaced_ = true;
  pos_ = OffsetOf(p);
  return p != end();
}

void Tokenizer::BeginName(const char* p, State state) {
  mark_ = OffsetOf(p);
  colon_ = 0;
  Go(state, p);
}

Token Tokenizer::TakeName() {
  const char* p = at(pos_);
  for (;;) {
    p = SkipWhile(p, end(), kNameByte);
    if (p == end()) return Suspend(p);
    if (*p == ':') {
      if (colon_ != 0) return Fail(Fault::kNotWellFormed);
      colon_ = OffsetOf(p++);
      continue;
    }
    if (IsAscii(*p)) break;
    const Decoded character = DecodeUtf8(p, end());
    if (character.state == Decoded::State::kIncomplete) return Suspend(p);
    if (character.state == Decoded::State::kInvalid) return Fail(Fault::kUnsupportedEncoding);
    if (!IsNameChar(character.code)) return Fail(Fault::kNotWellFormed);
    p += character.size;
  }
  pos_ = OffsetOf(p);
  name_ = {SpanFrom(mark_, p), colon_ == 0 ? 0 : colon_ - mark_};
  const bool usual = colon_ == 0 && p != at(mark_) && Is(*at(mark_), kNameStartByte);
  if (!usual && !CheckName()) return Fail(Fault::kNotWellFormed);
  spaced_ = false;
  return Token::kNone;
}

// Both parts of a qualified name are there and begin as a name may.
bool Tokenizer::CheckName() const {
  const auto begins_well = [this](std::string_view part) {
    if (part.empty()) return false;
    if (IsAscii(part[0])) return Is(part[0], kNameStartByte);
    return IsNameStart(DecodeUtf8(part.data(), end()).code);
  };
  return begins_well(name_.Local(data_)) && (colon_ == 0 || begins_well(name_.Prefix(data_)));
}

Token Tokenizer::StartName() {
  if (const Token token = TakeName(); token != Token::kNone) return token;
  state_ = State::kInTag;
  return InTag();
}

Token Tokenizer::InTag() {
  if (!SkipSpace()) return Token::kMore;
  const char* const p = at(pos_);
  if (*p == '>') {
    Go(State::kContent, p + 1);
    text_at_ = pos_;
    return Token::kStartTag;
  }
  if (*p == '/') return Go(State::kSlash, p + 1);
  if (!spaced_) return Fail(Fault::kNotWellFormed);
  BeginName(p, State::kAttributeName);
  return AttributeName();
}

Token Tokenizer::AttributeName() {
  const NameSpan element = name_;
  const Token token = TakeName();
  const NameSpan attribute = std::exchange(name_, element);
  if (token != Token::kNone) return token;
  if (attributes_.size() == max_attributes_) return Fail(Fault::kTooManyAttributes);
  attributes_.push_back({attribute, {}, true});
  if (end() - at(pos_) >= 2 && *at(pos_) == '=' && !IsSpace(*at(pos_ + 1))) {  // the usual case
    ++pos_;
    return Quote();
  }
  return Go(State::kEquals, at(pos_));
}

Token Tokenizer::Equals() {
  if (!SkipSpace()) return Token::kMore;
  if (*at(pos_) != '=') return Fail(Fault::kNotWellFormed);
  return Go(State::kQuote, at(pos_) + 1);
}

Token Tokenizer::Quote() {
  if (!SkipSpace()) return Token::kMore;
  quote_ = *at(pos_);
  if (quote_ != '\'' && quote_ != '"') return Fail(Fault::kNotWellFormed);
  Go(State::kValue, at(pos_) + 1);
  attributes_.back().value.at = pos_;
  return Value();
}

Token Tokenizer::Value() {
  AttributeSpan& attribute = attributes_.back();
  const char* p = at(pos_);
  for (;;) {
    p = SkipValue(p, end());
    if (p == end()) return Suspend(p);
    if (*p == quote_) {
      attribute.value = SpanFrom(attribute.value.at, p);
      spaced_ = false;
      return Go(State::kInTag, p + 1);
    }
    if (*p == '<') return Fail(Fault::kNotWellFormed);  // XML 1.0 3.1
    if (*p == '&') {
      attribute.verbatim = false;
      mark_ = OffsetOf(p) + 1;
      return Go(State::kValueReference, p + 1);
    }
    if (*p == '\'' || *p == '"' || *p == ' ') {
      ++p;
    } else if (IsSpace(*p)) {
      attribute.verbatim = false;
      ++p;
    } else if (const Token token = TakeCharacter(p); token != Token::kNone) {
      return token;
    }
  }
}

Token Tokenizer::Slash() {
  if (*at(pos_) != '>') return Fail(Fault::kNotWellFormed);
  Go(State::kContent, at(pos_) + 1);
  text_at_ = pos_;
  return Token::kEmptyTag;
}

Token Tokenizer::EndName() {
  if (const Token token = TakeName(); token != Token::kNone) return token;
  state_ = State::kEndSpace;
  return EndSpace();
}

Token Tokenizer::EndSpace() {
  if (!SkipSpace()) return Token::kMore;
  if (*at(pos_) != '>') return Fail(Fault::kNotWellFormed);
  Go(State::kContent, at(pos_) + 1);
  text_at_ = pos_;
  return Token::kEndTag;
}

}  // namespace parley::xml
