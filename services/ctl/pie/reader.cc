#include "services/ctl/pie/reader.h"

#include <expat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string_view>
#include <vector>

#include "services/ctl/failure.h"

namespace parley::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInclude = "http://www.w3.org/2001/XInclude";
constexpr std::string_view kServerData = "server-data";
constexpr char kSeparator = '\n';
constexpr int kBuffer = 64 << 10;
constexpr std::size_t kMaxDepth = 200;
constexpr int kMaxIncluded = 4;  // server, host, user

struct Name {
  explicit Name(std::string_view expat) {
    const auto at = expat.rfind(kSeparator);
    if (at != expat.npos) ns = expat.substr(0, at);
    local = at == expat.npos ? expat : expat.substr(at + 1);
  }
  std::string ns;
  std::string local;
};

std::string Value(const XML_Char** attributes, std::string_view name) {
  for (; *attributes != nullptr; attributes += 2) {
    if (name == attributes[0]) return attributes[1];
  }
  return {};
}

}  // namespace

// One file of them. XEP-0227's older namespaces are taken as they come: only names are looked at outside of users.
class PieFile {
 public:
  PieFile(const PieReader& reader, fs::path path, std::string host, int included)
      : reader_(reader), path_(std::move(path)), host_(std::move(host)), included_(included) {}

  void Read() {
    if (included_ > kMaxIncluded) throw Failure(kRefused, path_.string() + ": includes include each other");
    if (path_ == "-") return Parse(std::cin);
    std::ifstream in(path_, std::ios::binary);
    if (!in) throw Failure(kUsage, path_.string() + " cannot be read");
    Parse(in);
  }

 private:
  void Parse(std::istream& in) {
    const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(XML_ParserCreateNS(nullptr, kSeparator),
                                                                              XML_ParserFree);
    parser_ = parser.get();
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(
        parser_, [](void* self, const XML_Char* n, const XML_Char** a) { static_cast<PieFile*>(self)->Open(n, a); },
        [](void* self, const XML_Char*) { static_cast<PieFile*>(self)->Close(); });
    XML_SetCharacterDataHandler(parser_, [](void* self, const XML_Char* text, int size) {
      static_cast<PieFile*>(self)->Text({text, static_cast<std::size_t>(size)});
    });
    XML_SetStartDoctypeDeclHandler(parser_, [](void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
      static_cast<PieFile*>(self)->Stop("has a DTD, which server data has not");
    });
    std::vector<char> buffer(kBuffer);
    for (bool last = false; !last;) {
      in.read(buffer.data(), kBuffer);
      last = !in;
      const auto status = XML_Parse(parser_, buffer.data(), static_cast<int>(in.gcount()), last ? 1 : 0);
      if (failure_) std::rethrow_exception(failure_);
      if (!problem_.empty()) throw Failure(kRefused, problem_);
      if (status != XML_STATUS_OK) throw Failure(kRefused, Where() + XML_ErrorString(XML_GetErrorCode(parser_)));
    }
  }

  std::string Where() const {
    return path_.string() + ", line " + std::to_string(XML_GetCurrentLineNumber(parser_)) + ": ";
  }

  void Stop(const std::string& why) {
    problem_ = Where() + why;
    XML_StopParser(parser_, XML_FALSE);
  }

  // Exceptions must not pass through expat.
  template <class Work>
  void Guarded(Work work) {
    try {
      work();
    } catch (...) {
      failure_ = std::current_exception();
      XML_StopParser(parser_, XML_FALSE);
    }
  }

  void Open(const XML_Char* expat_name, const XML_Char** attributes) {
    Name name(expat_name);
    ++depth_;
    if (depth_ > kMaxDepth) return Stop("elements nest too deep");
    if (name.ns == kInclude && name.local == "include") {
      if (!open_.empty()) return Stop("an include inside of a user is not understood");
      return Guarded([&] { Include(Value(attributes, "href")); });
    }
    if (open_.empty() && name.local != "user") return Outside(name, attributes);
    xml::Element element(name.local, name.ns);
    for (; *attributes != nullptr; attributes += 2) {
      Name attribute(attributes[0]);
      element.AddAttr({attribute.ns, attribute.local, attributes[1]});
    }
    open_.push_back(std::move(element));
  }

  void Outside(const Name& name, const XML_Char** attributes) {
    if (name.local == "host") {
      host_ = Value(attributes, "jid");
    } else if (depth_ == 1 && name.local != kServerData) {
      Stop("is <" + name.local + "/>, not <server-data/> (XEP-0227)");
    }
  }

  void Include(const std::string& href) {
    const fs::path relative(href);
    if (href.empty() || relative.is_absolute() || href.find(':') != href.npos) {
      throw Failure(kRefused, Where() + "includes '" + href + "'; only relative names of files are followed");
    }
    PieFile(reader_, path_.parent_path() / relative, host_, included_ + 1).Read();
  }

  void Close() {
    --depth_;
    if (open_.empty()) return;
    xml::Element done = std::move(open_.back());
    open_.pop_back();
    if (!open_.empty()) {
      open_.back().AddChild(std::move(done));
      return;
    }
    Guarded([&] { reader_.on_user_(host_, done); });
  }

  void Text(std::string_view text) {
    if (!open_.empty()) open_.back().AddText(std::string(text));
  }

  const PieReader& reader_;
  const fs::path path_;
  std::string host_;
  const int included_;
  XML_Parser parser_ = nullptr;
  std::size_t depth_ = 0;
  std::vector<xml::Element> open_;  // from the user down
  std::string problem_;
  std::exception_ptr failure_;
};

void PieReader::Read(const std::string& path) {
  if (path == "-" || !fs::is_directory(path)) return PieFile(*this, path, {}, 0).Read();
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() != ".xml") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::string head(512, '\0');
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    // What is included by another file has no root of its own.
    if (head.find(kServerData) != head.npos) files.push_back(entry.path());
  }
  if (files.empty()) throw Failure(kUsage, path + " has no *.xml with <server-data/> in it");
  std::sort(files.begin(), files.end());
  for (const auto& file : files) PieFile(*this, file, {}, 0).Read();
}

}  // namespace parley::ctl
