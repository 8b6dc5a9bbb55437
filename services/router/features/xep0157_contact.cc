#include "libs/xml/scanner.h"
#include "services/router/features/features.h"

namespace parley::router {
namespace {

std::string Field(std::string_view var, const std::vector<std::string>& addresses) {
  if (addresses.empty()) return {};
  std::string xml = "<field type='list-multi' var='" + std::string(var) + "'>";
  for (const auto& address : addresses) xml += "<value>" + xml::Escape(address) + "</value>";
  return xml + "</field>";
}

std::string Form(const config::Host& host) {
  const std::string fields = Field("abuse-addresses", host.abuse_addresses) +
                             Field("admin-addresses", host.admin_addresses) +
                             Field("support-addresses", host.support_addresses);
  if (fields.empty()) return {};
  return "<x xmlns='jabber:x:data' type='result'><field type='hidden' var='FORM_TYPE'>"
         "<value>http://jabber.org/network/serverinfo</value></field>" +
         fields + "</x>";
}

}  // namespace

Feature Xep0157Contact(const FeatureDeps&) {
  Feature feature;
  feature.xep = "0157";
  feature.server_form = Form;
  return feature;
}

}  // namespace parley::router
