#include <iostream>
#include <nlohmann/json.hpp>

#include "parley/transfer/v1/transfer.grpc.pb.h"
#include "services/ctl/channel.h"
#include "services/ctl/failure.h"
#include "services/ctl/pie/reader.h"
#include "services/ctl/pie/user.h"
#include "services/ctl/problems.h"
#include "services/ctl/progress.h"
#include "services/ctl/targets.h"
#include "services/ctl/transfer.h"

namespace parley::ctl {
namespace {

namespace pb = transfer::v1;
using Stream = grpc::ClientReaderWriter<pb::ImportRequest, pb::ImportProgress>;

constexpr int kBatch = 50;
constexpr std::size_t kBatchBytes = 512 << 10;
constexpr std::size_t kUserBytes = 3 << 20;  // one gRPC message takes 4 MiB
constexpr char kRoster[] = "roster service";

std::string Why(accounts::v1::Problem problem, const pb::User& user) {
  if (problem == accounts::v1::PROBLEM_INVALID && user.keys_size() == 0 && user.password().empty()) {
    return user.jid() + ": has neither a password nor keys of SCRAM-SHA-1 or SCRAM-SHA-256";
  }
  if (problem == accounts::v1::PROBLEM_INVALID && user.keys_size() > 0) {
    return user.jid() + ": the address or the SCRAM keys are not what they should be";
  }
  return Explain(problem, user.jid());
}

class Importer {
 public:
  explicit Importer(const Options& options)
      : channel_(Connect(Rosters(options), kRoster)), stub_(channel_), stream_(stub_.Import(&context_)) {}

  void Run(const std::string& path) {
    PieReader([this](const std::string& host, const xml::Element& user) { Take(host, user); }).Read(path);
    if (batch_.users_size() > 0) Send();
    stream_->WritesDone();
    Check(stream_->Finish(), kRoster);
    progress_.End(created_ + existed_);
  }

  void Report(const Options& options) const {
    for (const auto& failure : failures_) std::cerr << failure << "\n";
    if (options.json) {
      std::cout << nlohmann::json{{"created", created_},
                                  {"existed", existed_},
                                  {"contacts", contacts_},
                                  {"messages", messages_},
                                  {"failed", failures_},
                                  {"contacts_dropped", contacts_dropped_},
                                  {"messages_dropped", messages_dropped_},
                                  {"not_kept", ignored_}}
                       .dump(2)
                << std::endl;
      return;
    }
    std::cout << "created " << created_ << ", existed already " << existed_ << ", failed " << failures_.size() << "; "
              << contacts_ << " contacts, " << messages_ << " offline messages" << std::endl;
    if (contacts_dropped_ + messages_dropped_ > 0) {
      std::cout << "left out for limits or mistakes: " << contacts_dropped_ << " contacts, " << messages_dropped_
                << " offline messages (roster.max_items, roster.max_offline_messages, ...)" << std::endl;
    }
    if (ignored_ > 0) std::cout << "not kept by Parley: " << ignored_ << " elements (vCards and the like)" << std::endl;
  }

  bool complete() const { return failures_.empty(); }

 private:
  void Take(const std::string& host, const xml::Element& element) {
    auto user = UserFromPie(host, element, ignored_);
    while (user.messages_size() > 0 && user.ByteSizeLong() > kUserBytes) {
      user.mutable_messages()->RemoveLast();
      ++messages_dropped_;
    }
    const auto size = user.ByteSizeLong();
    if (batch_.users_size() > 0 && (batch_.users_size() == kBatch || bytes_ + size > kBatchBytes)) Send();
    bytes_ += size;
    *batch_.add_users() = std::move(user);
  }

  void Send() {
    pb::ImportProgress answer;
    if (!stream_->Write(batch_) || !stream_->Read(&answer)) Broken();
    created_ += answer.created();
    existed_ += answer.existed();
    contacts_ += answer.contacts();
    messages_ += answer.messages();
    contacts_dropped_ += answer.contacts_dropped();
    messages_dropped_ += answer.messages_dropped();
    for (const auto& failure : answer.failures()) {
      if (failure.index() >= static_cast<std::uint32_t>(batch_.users_size())) continue;
      failures_.push_back(Why(failure.problem(), batch_.users(static_cast<int>(failure.index()))));
    }
    batch_.Clear();
    bytes_ = 0;
    progress_.Show(created_ + existed_);
  }

  [[noreturn]] void Broken() {
    const auto status = stream_->Finish();
    throw Failure(kUnreachable, "the connection to the roster service broke after " +
                                    std::to_string(created_ + existed_) + " accounts (" + status.error_message() +
                                    "): run it again, accounts that are in stay as they are");
  }

  grpc::ClientContext context_;
  std::shared_ptr<grpc::Channel> channel_;
  pb::Transfer::Stub stub_;
  std::unique_ptr<Stream> stream_;
  Progress progress_{"imported"};
  pb::ImportRequest batch_;
  std::size_t bytes_ = 0;
  std::uint64_t created_ = 0, existed_ = 0, contacts_ = 0, messages_ = 0, contacts_dropped_ = 0, messages_dropped_ = 0;
  std::size_t ignored_ = 0;
  std::vector<std::string> failures_;
};

}  // namespace

void ImportAll(const Options& options) {
  Importer importer(options);
  importer.Run(options.file);
  importer.Report(options);
  if (importer.complete()) return;
  throw Failure(kRefused, "not all accounts were imported: mend what is said above and run it again");
}

}  // namespace parley::ctl
