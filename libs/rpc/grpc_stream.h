#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "libs/rpc/link.h"
#include "libs/rpc/poller.h"
#include "libs/rpc/transport.h"

namespace parley::rpc {

inline constexpr char kExchangeMethod[] = "/parley.link.v1.Link/Exchange";

// A bidirectional gRPC stream as a Transport; what both directions have in common. Frames are serialised and parsed
// here, on the loop's thread: an envelope is freed where it was allocated, and its bytes are copied once.
class GrpcStream : public Call, public Transport {
 public:
  void Write(const link::v1::Frame& frame) final;
  void Finish() final;
  void Abort(const std::string& reason) final;
  void Detach() final;

 protected:
  GrpcStream(Poller& poller, TransportEvents* events);
  // The stream is usable, or not.
  void Opened(bool ok, const std::string& remote_address);
  void set_events(TransportEvents* events) { events_ = events; }

  virtual void StartRead(grpc::ByteBuffer* into, void* tag) = 0;
  virtual void StartWrite(const grpc::ByteBuffer& from, void* tag) = 0;
  // Nothing more will be written: tell the peer. True: it is an operation with `tag`.
  virtual bool StartHalfClose(void* tag) = 0;
  // Who accepted gives the status, also as the reason of an abort; who dialled gets it.
  virtual bool gives_status() const = 0;
  virtual void StartFinish(const std::string& reason, void* tag) = 0;
  virtual std::string Outcome() const = 0;

  Poller& poller_;

 private:
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnHalfClosed(bool ok);
  void OnFinished(bool ok);
  void Receive();
  void ReadNext(bool ok);
  void FinishOnce();
  void ReleaseIfDone();

  TransportEvents* events_;
  Operation<GrpcStream> read_{this, &GrpcStream::OnRead};
  Operation<GrpcStream> read_next_{this, &GrpcStream::ReadNext};
  Operation<GrpcStream> write_{this, &GrpcStream::OnWritten};
  Operation<GrpcStream> half_close_{this, &GrpcStream::OnHalfClosed};
  Operation<GrpcStream> finish_{this, &GrpcStream::OnFinished};
  bool reading_ = false;  // or about to
  bool writing_ = false;
  bool half_closing_ = false;
  bool half_closed_ = false;
  bool finish_wanted_ = false;
  bool finishing_ = false;
  bool finished_ = false;
  std::string reason_;
  grpc::ByteBuffer incoming_;
  link::v1::Frame frame_;
  int spare_envelopes_ = 0;
};

// Dials `channel`. Events come until OnBroken, which also says that it could not connect.
class ClientStream final : public GrpcStream {
 public:
  static ClientStream& Dial(Poller& poller, std::shared_ptr<grpc::Channel> channel, std::string address,
                            TransportEvents& events);
  ClientStream(Poller& poller, std::shared_ptr<grpc::Channel> channel, std::string address, TransportEvents& events);
  void Cancel() override { context_.TryCancel(); }

 private:
  void OnStarted(bool ok) { Opened(ok, address_); }
  void StartRead(grpc::ByteBuffer* into, void* tag) override { stream_->Read(into, tag); }
  void StartWrite(const grpc::ByteBuffer& from, void* tag) override { stream_->Write(from, tag); }
  bool StartHalfClose(void* tag) override;
  bool gives_status() const override { return false; }
  void StartFinish(const std::string& reason, void* tag) override;
  std::string Outcome() const override;

  // Before the call, which uses it.
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  Operation<ClientStream> start_{this, &ClientStream::OnStarted};
  std::string address_;
  grpc::Status status_;
};

// One gRPC server and who takes its calls. It may close while calls are on their way from the poller; its streams keep it,
// for they operate through the server to their end.
struct Acceptor {
  std::unique_ptr<grpc::Server> server;
  grpc::AsyncGenericService service;
  grpc::ServerCompletionQueue* queue = nullptr;
  // Who gets the events of a new stream. Empty: closed.
  std::function<TransportEvents*(Transport&)> accept;
};

// A call that came.
class ServerStream final : public GrpcStream {
 public:
  // Waits for the next call; once it came, for another.
  static void Listen(Poller& poller, std::shared_ptr<Acceptor> acceptor);
  ServerStream(Poller& poller, std::shared_ptr<Acceptor> acceptor)
      : GrpcStream(poller, nullptr), acceptor_(std::move(acceptor)) {}
  void Cancel() override {
    if (called_) context_.TryCancel();
  }

 private:
  void OnCalled(bool ok);
  void StartRead(grpc::ByteBuffer* into, void* tag) override { stream_.Read(into, tag); }
  void StartWrite(const grpc::ByteBuffer& from, void* tag) override { stream_.Write(from, tag); }
  bool StartHalfClose(void*) override { return false; }
  bool gives_status() const override { return true; }
  void StartFinish(const std::string& reason, void* tag) override;
  std::string Outcome() const override { return "the peer went away"; }

  std::shared_ptr<Acceptor> acceptor_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  Operation<ServerStream> call_{this, &ServerStream::OnCalled};
  bool called_ = false;
};

}  // namespace parley::rpc
