#include "libs/rpc/certificate_gauge.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <string>

namespace parley::rpc {

CertificateGauge::CertificateGauge(Loop& loop, telemetry::Metrics& metrics, const MutualTls& tls) {
  if (!tls.enabled()) return;
  auto& gauge = metrics.Gauge("parley_link_certificate_expiry_timestamp_seconds",
                              "When the certificate that this process shows to its peers expires");
  Measure(tls.certificate_file(), gauge);
  measuring_ = loop.Every(tls.check, [&gauge, file = tls.certificate_file()] { Measure(file, gauge); });
}

// What cannot be read keeps the last value: the last certificate stays in use, too (IdentityFiles).
void CertificateGauge::Measure(const std::string& file, prometheus::Gauge& gauge) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new_file(file.c_str(), "r"), BIO_free);
  if (!bio) return;
  const std::unique_ptr<X509, void (*)(X509*)> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                           X509_free);
  std::tm time{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time) != 1) return;
  gauge.Set(static_cast<double>(timegm(&time)));
}

}  // namespace parley::rpc
