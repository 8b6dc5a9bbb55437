#include "libs/xml/tokenizer.h"

#include "libs/xml/chars.h"
#include "libs/xml/reference.h"
#include "libs/xml/utf8.h"

namespace parley::xml {

using Token = Tokenizer::Token;

void Tokenizer::Reset(std::size_t max_attributes) {
  max_attributes_ = max_attributes;
  state_ = State::kMarkup;
  pos_ = 0;
  text_at_ = 0;
  attributes_.clear();
}

Token Tokenizer::Next(std::string_view data) {
  data_ = data;
  for (;;) {
    if (const Token token = Step(); token != Token::kNone) return token;
  }
}

Token Tokenizer::Step() {
  if (pos_ == data_.size()) return Token::kMore;
  switch (state_) {
    case State::kContent:
      return Content();
    case State::kTextReference:
      return TakeReference(State::kContent);
    case State::kMarkup:
      return Markup();
    case State::kCdata:
      return Cdata();
    case State::kStartName:
      return StartName();
    case State::kInTag:
      return InTag();
    case State::kAttributeName:
      return AttributeName();
    case State::kEquals:
      return Equals();
    case State::kQuote:
      return Quote();
    case State::kValue:
      return Value();
    case State::kValueReference:
      return TakeReference(State::kValue);
    case State::kSlash:
      return Slash();
    case State::kEndName:
      return EndName();
    case State::kEndSpace:
      return EndSpace();
  }
  return Token::kFault;
}

Token Tokenizer::Content() {
  const char* p = at(pos_);
  for (;;) {
    p = SkipText(p, end());
    if (p == end()) return Suspend(p);
    if (*p == '<') {
      Go(State::kMarkup, p);
      text_ = SpanFrom(text_at_, p);
      return text_.size == 0 ? Token::kNone : Token::kText;
    }
    if (*p == '&') {
      mark_ = OffsetOf(p) + 1;
      return Go(State::kTextReference, p + 1);
    }
    if (*p == ']') {  // XML 1.0 2.4: "]]>" must not appear in text
      if (end() - p < 3 && (end() - p == 1 || p[1] == ']')) return Suspend(p);
      if (p[1] == ']' && p[2] == '>') return Fail(Fault::kNotWellFormed);
      ++p;
    } else if (IsSpace(*p)) {
      ++p;
    } else if (const Token token = TakeCharacter(p); token != Token::kNone) {
      return token;
    }
  }
}

Token Tokenizer::TakeCharacter(const char*& p) {
  if (IsAscii(*p)) return Fail(Fault::kNotWellFormed);  // a control character
  const char* const common = SkipCommonCharacters(p, end());
  if (common != p) {
    p = common;
    return Token::kNone;
  }
  const Decoded character = DecodeUtf8(p, end());
  if (character.state == Decoded::State::kIncomplete) return Suspend(p);
  if (character.state == Decoded::State::kInvalid) return Fail(Fault::kUnsupportedEncoding);
  if (!IsXmlChar(character.code)) return Fail(Fault::kNotWellFormed);
  p += character.size;
  return Token::kNone;
}

Token Tokenizer::TakeReference(State next) {
  const char* const p = SkipWhile(at(pos_), end(), kReferenceByte);
  if (p == end()) return Suspend(p);
  if (*p != ';') return Fail(Fault::kNotWellFormed);
  switch (ParseReference(SpanFrom(mark_, p).In(data_)).kind) {
    case Reference::Kind::kCharacter:
      return Go(next, p + 1);
    case Reference::Kind::kEntity:
      return Fail(Fault::kRestrictedXml);
    case Reference::Kind::kMalformed:
      break;
  }
  return Fail(Fault::kNotWellFormed);
}

Token Tokenizer::Markup() {
  const char* const p = at(pos_);
  if (end() - p < 2) return Token::kMore;
  switch (p[1]) {
    case '/':
      BeginName(p + 2, State::kEndName);
      return Token::kNone;
    case '?':
      return Fail(Fault::kRestrictedXml);
    case '!':
      return Section();
    default:
      attributes_.clear();
      BeginName(p + 1, State::kStartName);
      return Token::kNone;
  }
}

Token Tokenizer::Section() {
  constexpr std::string_view kOpen = "<![CDATA[";
  const std::string_view rest = data_.substr(pos_, kOpen.size());
  if (rest.size() < 3) return Token::kMore;
  if (rest[2] != '[') {  // a comment or a declaration, if anything
    return Fail(rest[2] == '-' || Is(rest[2], kNameStartByte) ? Fault::kRestrictedXml : Fault::kNotWellFormed);
  }
  if (!kOpen.starts_with(rest)) return Fail(Fault::kNotWellFormed);
  if (rest.size() < kOpen.size()) return Token::kMore;
  Go(State::kCdata, at(pos_) + kOpen.size());
  text_at_ = pos_;
  return Token::kNone;
}

Token Tokenizer::Cdata() {
  const char* p = at(pos_);
  for (;;) {
    p = SkipText(p, end());
    if (p == end()) return Suspend(p);
    if (*p == ']') {
      if (end() - p < 3 && (end() - p == 1 || p[1] == ']')) return Suspend(p);
      if (p[1] == ']' && p[2] == '>') {
        text_ = SpanFrom(text_at_, p);
        Go(State::kContent, p + 3);
        text_at_ = pos_;
        return Token::kCdata;
      }
      ++p;
    } else if (IsSpace(*p) || *p == '<' || *p == '&') {
      ++p;
    } else if (const Token token = TakeCharacter(p); token != Token::kNone) {
      return token;
    }
  }
}

}  // namespace parley::xml
