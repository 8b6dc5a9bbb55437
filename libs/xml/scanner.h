#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// A strict incremental scanner for XMPP's subset of XML (RFC 6120 section 11): it finds where each child of the stream
// element ends, proves it well-formed and namespace-well-formed, and hands out its own bytes. Refuses at least what
// expat refuses (see tests/fuzz), and besides: comments, processing instructions, DTDs, entities other than the five,
// all that is not UTF-8 (also a byte order mark, RFC 6120 11.6), and text other than white space between stanzas.
namespace parley::xml {

struct Limits {
  std::size_t max_stanza_bytes = 262144;  // RFC 6120 13.12: at least 10,000
  std::size_t max_header_bytes = 4096;
  std::size_t max_depth = 64;
  std::size_t max_attributes = 64;  // of one element
};

enum class Fault {
  kNotWellFormed,
  kStrayText,  // text between the children of the stream element
  kRestrictedXml,
  kBadNamespacePrefix,
  kUnsupportedEncoding,  // bytes that are not UTF-8, or an XML declaration that says something else
  kTooLarge,             // max_stanza_bytes, max_header_bytes
  kTooDeep,
  kTooManyAttributes,  // of one element, or namespace declarations in scope
  kSecondHeader,       // a child with the name of the stream element: it would never end
};

// An attribute as written; `value` is raw (entities not resolved; see Unescape).
struct Attribute {
  std::string_view name;  // with prefix
  std::string_view value;
};

struct NamespaceBinding {
  std::string prefix;  // empty: the default namespace
  std::string uri;
};

// A complete start tag. Views are valid during the callback only.
struct StartTag {
  std::string_view raw;   // "<...>" or "<.../>"
  std::string_view name;  // with prefix
  std::string_view ns;    // resolved (unescaped)
  std::string_view local_name;
  const std::vector<Attribute>* attributes;
};

// A complete child of the stream element. Views are valid during the callback only.
struct Child {
  std::string_view raw;  // the element's own bytes
  StartTag start;
  // The first child element's resolved namespace and local name; empty when there is none.
  std::string_view payload_ns;
  std::string_view payload_name;
  // A name or attribute inside uses a prefix that is declared on the stream header (not "xml"), or the stream's
  // default namespace is not that of `start`: the raw bytes alone would lose it. See Canonical().
  bool uses_stream_namespaces;
};

// Must not feed or destroy the scanner that calls it; may stop and restart it.
class Handler {
 public:
  virtual void OnStreamOpen(const StartTag& header) = 0;  // name and namespace are not judged here
  virtual void OnChild(const Child& child) = 0;
  virtual void OnStreamClose() = 0;

 protected:
  ~Handler() = default;
};

// One stream's scanner. Holds no buffer while no element is incomplete.
class Scanner {
 public:
  enum class Status { kMore, kStopped, kFault };

  explicit Scanner(const Limits& limits);
  ~Scanner();

  // Takes bytes as they come, one or many. Calls the handler for all that is complete. kStopped: the handler called
  // Stop() (before a stream restart, or to stop reading for a while); `consumed` says how many bytes were taken: up to
  // the end of what the handler was called for. Give the rest again later. kMore: all were taken. kFault is final,
  // until Restart(). After OnStreamClose() only white space may follow.
  Status Feed(std::string_view bytes, Handler& handler, std::size_t& consumed);
  // From inside a callback.
  void Stop();
  // A new stream begins (after TLS or SASL, RFC 6120 4.3.3). Forgets everything.
  void Restart();

  Fault fault() const;
  // Inside an incomplete element or header: whitespace keepalives between elements do not count.
  bool incomplete() const;
  // What the stream header declared: kept for prefixes that stanzas use.
  const std::vector<NamespaceBinding>& stream_namespaces() const;
  std::size_t memory() const;  // heap bytes held

 private:
  struct State;
  std::unique_ptr<State> state_;
  Limits limits_;
};

// Where text stands, which decides what becomes of white space in it.
enum class Use { kText, kAttribute };

// Resolves the five entities and character references, and normalises white space as XML does: line ends (XML 1.0
// 2.11), and in attributes each literal white space to a space (3.3.3).
std::string Unescape(std::string_view raw, Use use = Use::kText);
// Escapes & < > ' " : safe in text and in attributes of either quote. kAttribute also keeps line feeds and tabs from
// being normalised. Control characters, which XML cannot hold, become U+FFFD.
std::string Escape(std::string_view text, Use use = Use::kText);
void AppendEscaped(std::string& out, std::string_view text, Use use = Use::kText);

}  // namespace parley::xml
