#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "libs/rpc/poller.h"

namespace parley::rpc {

class Security;

// A gRPC call of any kind as a stream of serialised messages in both directions; what both ends have in common.
// One read and one write at a time. Loop's thread only.
class ByteStream : public Call {
 public:
  // What happens to it. Owned by the stream.
  class User {
   public:
    virtual ~User() = default;
    virtual void OnOpen(const std::string& remote_address) = 0;
    virtual void OnMessage(grpc::ByteBuffer& message) = 0;
    virtual void OnWritten() = 0;
    // The peer sends no more. The stream ends by itself unless Lingers().
    virtual void OnReadsDone() {}
    virtual bool Lingers() const { return false; }
    // The last.
    virtual void OnBroken(const std::string& reason) = 0;
  };
  void Use(std::unique_ptr<User> user) { user_ = std::move(user); }
  User* user() const { return user_.get(); }

  void Read();
  // At the end of the turn, after what is written then: gRPC sends a window update at the start of a read, unless a
  // write took it along. That would be one more packet, and one more wake-up of the peer, for each message.
  void ReadAfterWrites();
  void Write(const grpc::ByteBuffer& message);
  bool writing() const { return writing_; }
  // After what was written. Who accepted says with what status.
  void Finish(const grpc::Status& status = grpc::Status::OK);
  // At once. Who accepted tells the reason, if it can.
  void Abort(const std::string& reason);
  // Like Abort; nothing more is told to the user.
  void Detach();

 protected:
  explicit ByteStream(Poller& poller) : poller_(poller) {}
  // The stream is usable, or not.
  void Opened(bool ok, const std::string& remote_address);

  virtual void StartRead(grpc::ByteBuffer* into, void* tag) = 0;
  virtual void StartWrite(const grpc::ByteBuffer& from, void* tag) = 0;
  // Nothing more will be written. False: there is no such operation, the status says it.
  virtual bool StartHalfClose(void* tag) = 0;
  // Who accepted gives the status; who dialled gets it.
  virtual bool gives_status() const = 0;
  virtual void StartFinish(const grpc::Status& status, void* tag) = 0;
  virtual std::string Outcome() const = 0;

  Poller& poller_;

 private:
  void OnReadTime(bool ok);
  void Drain();
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnHalfClosed(bool ok);
  void OnFinished(bool ok);
  void FinishOnce();
  void ReleaseIfDone();

  std::unique_ptr<User> user_;
  bool detached_ = false;
  Operation<ByteStream> read_time_{this, &ByteStream::OnReadTime};
  Operation<ByteStream> read_{this, &ByteStream::OnRead};
  Operation<ByteStream> write_{this, &ByteStream::OnWritten};
  Operation<ByteStream> half_close_{this, &ByteStream::OnHalfClosed};
  Operation<ByteStream> finish_{this, &ByteStream::OnFinished};
  bool reading_ = false;  // or about to
  bool writing_ = false;
  bool half_closing_ = false;
  bool half_closed_ = false;
  bool finish_wanted_ = false;
  bool finishing_ = false;
  bool finished_ = false;
  std::string reason_;
  grpc::Status status_;
  grpc::ByteBuffer incoming_;
};

class ClientStream final : public ByteStream {
 public:
  // Calls `method` over `channel`. Give it a user at once. OnBroken also says that it could not connect.
  static ClientStream& Dial(Poller& poller, std::shared_ptr<grpc::Channel> channel, const Security* security,
                            const std::string& method, std::string address);
  ClientStream(Poller& poller, std::shared_ptr<grpc::Channel> channel, std::string address)
      : ByteStream(poller), channel_(std::move(channel)), stub_(channel_), address_(std::move(address)) {}
  void Cancel() override { context_.TryCancel(); }

 private:
  void OnStarted(bool ok) { Opened(ok, address_); }
  void StartRead(grpc::ByteBuffer* into, void* tag) override { stream_->Read(into, tag); }
  void StartWrite(const grpc::ByteBuffer& from, void* tag) override { stream_->Write(from, tag); }
  bool StartHalfClose(void* tag) override;
  bool gives_status() const override { return false; }
  void StartFinish(const grpc::Status& status, void* tag) override;
  std::string Outcome() const override;

  // Before the call, which uses it.
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  Operation<ClientStream> start_{this, &ClientStream::OnStarted};
  std::string address_;
  grpc::Status outcome_;
};

// One gRPC server and who takes its calls. It may close while calls are on their way from the poller; its streams keep
// it, for they operate through the server to their end.
struct Acceptor {
  std::shared_ptr<const Security> security;  // before the server, which asks it for certificates
  std::unique_ptr<grpc::Server> server;
  grpc::AsyncGenericService service;
  grpc::ServerCompletionQueue* queue = nullptr;
  // Gives the call a user, or none if there is no such method; or finishes it. Empty: closed.
  std::function<void(const grpc::GenericServerContext& call, ByteStream&)> accept;
};

// A call that came.
class ServerStream final : public ByteStream {
 public:
  // Waits for the next call; once it came, for another.
  static void Listen(Poller& poller, std::shared_ptr<Acceptor> acceptor);
  ServerStream(Poller& poller, std::shared_ptr<Acceptor> acceptor)
      : ByteStream(poller), acceptor_(std::move(acceptor)) {}
  void Cancel() override;

 private:
  void OnCalled(bool ok);
  void StartRead(grpc::ByteBuffer* into, void* tag) override { stream_.Read(into, tag); }
  void StartWrite(const grpc::ByteBuffer& from, void* tag) override { stream_.Write(from, tag); }
  bool StartHalfClose(void*) override { return false; }
  bool gives_status() const override { return true; }
  void StartFinish(const grpc::Status& status, void* tag) override { stream_.Finish(status, tag); }
  std::string Outcome() const override { return "the peer went away"; }

  std::shared_ptr<Acceptor> acceptor_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  Operation<ServerStream> call_{this, &ServerStream::OnCalled};
  bool called_ = false;
};

}  // namespace parley::rpc
