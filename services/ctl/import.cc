#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "parley/accounts/v1/accounts.grpc.pb.h"
#include "services/ctl/channel.h"
#include "services/ctl/failure.h"
#include "services/ctl/import_file.h"
#include "services/ctl/problems.h"
#include "services/ctl/targets.h"
#include "services/ctl/users.h"

namespace parley::ctl {
namespace {

namespace pb = accounts::v1;
using Clock = std::chrono::steady_clock;
using Stream = grpc::ClientReaderWriter<pb::ImportRequest, pb::ImportProgress>;

constexpr std::size_t kBatch = 100;
// One batch is handled while the next waits at the service.
constexpr std::size_t kAhead = 2;
constexpr char kRoster[] = "roster service";

// How far it is, on standard error: a line that is rewritten on a terminal, else a line every few seconds.
class Progress {
 public:
  explicit Progress(std::size_t total) : total_(total), terminal_(isatty(STDERR_FILENO) != 0) {}

  void Show(std::size_t done) {
    const auto now = Clock::now();
    const bool last = done >= total_;
    if (!last && now - shown_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000))) return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    std::cerr << (terminal_ ? "\r" : "") << done << " of " << total_ << " accounts, "
              << static_cast<int>(static_cast<double>(done) / std::max(seconds, 0.001)) << " a second"
              << (terminal_ && !last ? "  " : "\n") << std::flush;
  }

 private:
  const std::size_t total_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_{};
};

class Import {
 public:
  explicit Import(ImportFile file) : lines_(std::move(file.lines)), bad_(std::move(file.bad)) {}

  void Run(const Options& options) {
    if (!lines_.empty()) Send(options);
    std::sort(bad_.begin(), bad_.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    for (const auto& bad : bad_) std::cerr << "line " << bad.number << ": " << bad.why << "\n";
    Report(options);
    if (!bad_.empty()) {
      throw Failure(kRefused, std::to_string(bad_.size()) +
                                  " lines were not imported: correct them and run it again, accounts that exist stay");
    }
  }

 private:
  void Send(const Options& options) {
    auto stub = pb::Accounts::NewStub(Connect(Rosters(options), kRoster));
    grpc::ClientContext context;
    const auto stream = stub->Import(&context);
    Progress progress(lines_.size());
    std::size_t sent = 0, answered = 0;
    while (answered < lines_.size()) {
      while (sent < lines_.size() && sent < answered + kAhead * kBatch) {
        if (!SendBatch(*stream, sent)) return Broken(*stream, answered);
        sent = std::min(sent + kBatch, lines_.size());
      }
      pb::ImportProgress answer;
      if (!stream->Read(&answer)) return Broken(*stream, answered);
      Take(answer, answered);
      answered = std::min(answered + kBatch, lines_.size());
      progress.Show(answered);
    }
    stream->WritesDone();
    Check(stream->Finish(), kRoster);
  }

  bool SendBatch(Stream& stream, std::size_t first) {
    pb::ImportRequest request;
    for (std::size_t i = first; i < std::min(first + kBatch, lines_.size()); ++i) {
      auto& account = *request.add_accounts();
      account.set_jid(lines_[i].jid);
      account.set_password(lines_[i].password);
    }
    return stream.Write(request);
  }

  void Take(const pb::ImportProgress& answer, std::size_t first) {
    created_ = answer.created();
    existed_ = answer.existed();
    for (const auto& failure : answer.failures()) {
      const auto& line = lines_[std::min<std::size_t>(first + failure.index(), lines_.size() - 1)];
      bad_.push_back({line.number, Explain(failure.problem(), line.jid)});
    }
  }

  [[noreturn]] void Broken(Stream& stream, std::size_t answered) {
    const auto status = stream.Finish();
    const bool denied = status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
                        status.error_code() == grpc::StatusCode::PERMISSION_DENIED;
    if (denied) Check(status, kRoster);
    throw Failure(kUnreachable, "the connection to the roster service broke after " + std::to_string(answered) +
                                    " of " + std::to_string(lines_.size()) + " accounts (" + status.error_message() +
                                    "): run it again, accounts that exist stay");
  }

  void Report(const Options& options) const {
    if (!options.json) {
      std::cout << "created " << created_ << ", existed already " << existed_ << ", failed " << bad_.size()
                << std::endl;
      return;
    }
    auto failed = nlohmann::json::array();
    for (const auto& bad : bad_) failed.push_back({{"line", bad.number}, {"reason", bad.why}});
    std::cout << nlohmann::json{{"created", created_}, {"existed", existed_}, {"failed", failed}}.dump(2) << std::endl;
  }

  std::vector<ImportLine> lines_;
  std::vector<BadLine> bad_;
  std::uint64_t created_ = 0;
  std::uint64_t existed_ = 0;
};

ImportFile Open(const std::string& name) {
  if (name == "-") return ReadImport(std::cin);
  std::ifstream in(name, std::ios::binary);
  if (!in) throw Failure(kUsage, name + " cannot be read");
  return ReadImport(in);
}

}  // namespace

void ImportUsers(const Options& options) { Import(Open(options.file)).Run(options); }

}  // namespace parley::ctl
