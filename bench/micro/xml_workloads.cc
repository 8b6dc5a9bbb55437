// Stanza scanning, and reading what routing needs.
#include <memory>
#include <utility>

#include "bench/micro/workloads.h"
#include "libs/rpc/link.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/stanza.h"

namespace parley::bench {
namespace {

constexpr const char* kHeader =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
constexpr const char* kRich =
    "<message xmlns='jabber:client' type='chat' to='bench1001@localhost/bench' id='rich' xml:lang='en'>"
    "<body>It is the east, and Juliet is the sun. &quot;Arise&quot;, fair sun, and kill the envious moon &amp; so "
    "on.</body>"
    "<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>"
    "<markable xmlns='urn:xmpp:chat-markers:0'/><origin-id xmlns='urn:xmpp:sid:0' "
    "id='de305d54-75b4-431b-adb2-eb6b9e546013'/>"
    "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p "
    "style='color:red'>It is "
    "the <em>east</em></p></body></html></message>";

// A stream that is open, as an edge has it for each session.
class OpenStream final : public xml::Handler {
 public:
  enum class Reading { kOff, kOn };
  explicit OpenStream(Reading reading) : reading_(reading) { Feed(kHeader); }
  void Feed(std::string_view bytes) {
    std::size_t consumed = 0;
    scanner_.Feed(bytes, *this, consumed);
  }
  void OnStreamOpen(const xml::StartTag&) override {}
  void OnChild(const xml::Child& child) override {
    if (reading_ == Reading::kOff) return Keep(child);
    xmpp::StreamContext context;
    context.namespaces = &scanner_.stream_namespaces();
    context.from = kSender;
    auto stanza = xmpp::ParseStanza(child, context, rpc::NewEnvelope());
    Keep(stanza);
    rpc::Recycle(std::move(stanza->envelope));
  }
  void OnStreamClose() override {}

 private:
  const Reading reading_;
  xml::Scanner scanner_{xml::Limits{}};
};

Workload Scan(const char* name, OpenStream::Reading reading, const char* stanza) {
  auto stream = std::make_shared<OpenStream>(reading);
  return {name, [stream, stanza] { stream->Feed(stanza); }};
}

Workload ScanInPieces() {
  auto stream = std::make_shared<OpenStream>(OpenStream::Reading::kOff);
  return {"scan_chat_in_pieces", [stream] {
            const std::string_view stanza(kChat);
            stream->Feed(stanza.substr(0, 40));
            stream->Feed(stanza.substr(40, 60));
            stream->Feed(stanza.substr(100));
          }};
}

}  // namespace

std::vector<Workload> XmlWorkloads() {
  return {Scan("scan_chat", OpenStream::Reading::kOff, kChat), Scan("scan_rich", OpenStream::Reading::kOff, kRich),
          ScanInPieces(), Scan("read_chat", OpenStream::Reading::kOn, kChat),
          Scan("read_rich", OpenStream::Reading::kOn, kRich)};
}

}  // namespace parley::bench
