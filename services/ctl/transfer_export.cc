#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "libs/xml/scanner.h"
#include "libs/xmpp/jid.h"
#include "parley/accounts/v1/accounts.grpc.pb.h"
#include "parley/transfer/v1/transfer.grpc.pb.h"
#include "services/ctl/channel.h"
#include "services/ctl/failure.h"
#include "services/ctl/pie/user.h"
#include "services/ctl/problems.h"
#include "services/ctl/progress.h"
#include "services/ctl/targets.h"
#include "services/ctl/transfer.h"

namespace parley::ctl {
namespace {

namespace pb = transfer::v1;

constexpr char kRoster[] = "roster service";
constexpr std::chrono::seconds kLimit{60};
constexpr std::uint32_t kPage = 1000;

// Standard output, or a file that only its owner may read, for it holds what lets people in. The file takes its name
// when it is complete: one that was there before stays until then.
class Output {
 public:
  explicit Output(const std::string& name) {
    if (name.empty() || name == "-") return;
    struct stat found {};
    const bool device = ::stat(name.c_str(), &found) == 0 && !S_ISREG(found.st_mode);
    file_ = device ? std::fopen(name.c_str(), "wbe") : OpenBeside(name);
    if (file_ == nullptr) throw Failure(kUsage, name + " cannot be written");
  }
  ~Output() {
    if (file_ != stdout) std::fclose(file_);
    if (!part_.empty()) ::unlink(part_.c_str());
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void Write(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) Broken();
  }
  void End() {
    if (std::fflush(file_) != 0) Broken();
    if (part_.empty()) return;
    if (::fsync(::fileno(file_)) != 0 || ::rename(part_.c_str(), name_.c_str()) != 0) Broken();
    part_.clear();
  }

 private:
  std::FILE* OpenBeside(const std::string& name) {
    std::error_code ignored;
    name_ = std::filesystem::weakly_canonical(name, ignored);  // a link stays one
    if (name_.empty()) name_ = name;
    std::string part = name_ + ".XXXXXX";
    const int fd = ::mkostemp(part.data(), O_CLOEXEC);  // mode 0600
    if (fd < 0) return nullptr;
    part_ = part;
    return ::fdopen(fd, "wb");
  }
  [[noreturn]] static void Broken() { throw Failure(kRefused, "the export cannot be written: is the disk full?"); }
  std::FILE* file_ = stdout;
  std::string name_;
  std::string part_;  // what the file is called until it is complete; empty: nothing to rename or remove
};

class Exporter {
 public:
  explicit Exporter(const Options& options)
      : channel_(Connect(Rosters(options), kRoster)), users_(channel_), accounts_(channel_), out_(options.file) {
    out_.Write("<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='" + std::string(kPieNs) + "'>\n");
  }

  // False: it went meanwhile.
  bool Add(const std::string& jid) {
    pb::ExportRequest request;
    request.set_jid(jid);
    auto page = Fetch(request);
    if (page.problem() == accounts::v1::PROBLEM_NO_ACCOUNT) return false;
    CheckProblem(page.problem(), jid);
    pb::User user = std::move(*page.mutable_user());
    while (page.after_message() != 0) {
      request.set_after_message(page.after_message());
      page = Fetch(request);
      user.mutable_messages()->MergeFrom(page.user().messages());
    }
    Begin(std::string(xmpp::DomainOf(user.jid())));
    out_.Write(UserToPie(user));
    return true;
  }

  void AddAll(const std::string& domain) {
    Progress progress("exported");
    accounts::v1::ListRequest request;
    request.set_domain(domain);
    request.set_limit(kPage);
    std::uint64_t done = 0;
    for (bool more = true; more;) {
      grpc::ClientContext context;
      SetDeadline(context, kLimit);
      accounts::v1::ListResponse page;
      Check(accounts_.List(&context, request, &page), kRoster);
      CheckProblem(page.problem(), domain);
      for (const auto& account : page.accounts()) {
        if (Add(account.jid())) ++done;
        progress.Show(done);
      }
      more = page.more() && page.accounts_size() > 0;
      if (more) request.set_after(page.accounts().rbegin()->jid());
    }
    progress.End(done);
  }

  void End() {
    if (!host_.empty()) out_.Write("</host>\n");
    out_.Write("</server-data>\n");
    out_.End();
  }

 private:
  pb::ExportResponse Fetch(const pb::ExportRequest& request) {
    grpc::ClientContext context;
    SetDeadline(context, kLimit);
    pb::ExportResponse response;
    Check(users_.Export(&context, request, &response), kRoster);
    return response;
  }

  void Begin(const std::string& host) {
    if (host == host_) return;
    if (!host_.empty()) out_.Write("</host>\n");
    host_ = host;
    out_.Write("<host jid='" + xml::Escape(host, xml::Use::kAttribute) + "'>\n");
  }

  std::shared_ptr<grpc::Channel> channel_;
  pb::Transfer::Stub users_;
  accounts::v1::Accounts::Stub accounts_;
  Output out_;
  std::string host_;
};

}  // namespace

void ExportUser(const Options& options) {
  Exporter exporter(options);
  if (!exporter.Add(options.jid)) CheckProblem(accounts::v1::PROBLEM_NO_ACCOUNT, options.jid);
  exporter.End();
}

void ExportAll(const Options& options) {
  Exporter exporter(options);
  exporter.AddAll(options.domain);
  exporter.End();
}

}  // namespace parley::ctl
