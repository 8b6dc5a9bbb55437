#include "services/ctl/options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "libs/base/version.h"
#include "services/ctl/failure.h"

namespace parley::ctl {
namespace {

constexpr char kFooter[] =
    "Exit status: 0 done, 1 refused, 2 wrong usage, 3 the cluster cannot be reached.\n"
    "Who you are is said by a certificate (--identity) or by a token: --token-file, or PARLEY_TOKEN in the "
    "environment.\n"
    "Without --password, passwords are asked for, or read from standard input if that is no terminal.";

CLI::App* Command(CLI::App& parent, Options& options, const std::string& name, const std::string& what) {
  auto* command = parent.add_subcommand(name, what);
  const std::string path = parent.get_parent() == nullptr ? name : parent.get_name() + " " + name;
  command->fallthrough()->callback([&options, path] { options.command = path; });
  return command;
}

CLI::App* Group(CLI::App& parent, const std::string& name, const std::string& what) {
  auto* group = parent.add_subcommand(name, what);
  group->require_subcommand(1)->fallthrough();
  return group;
}

void AddUserCommands(CLI::App& app, Options& options) {
  auto& user = *Group(app, "user", "accounts");
  auto* add = Command(user, options, "add", "create an account");
  auto* del = Command(user, options, "del", "end an account's sessions and delete it with all it owns");
  auto* list = Command(user, options, "list", "list accounts");
  auto* passwd = Command(user, options, "passwd", "set an account's password");
  auto* import = Command(user, options, "import", "create accounts from a file");
  auto* one = Command(user, options, "export", "write all that is kept for an account, in XEP-0227 form");
  for (auto* command : {add, del, passwd, one}) command->add_option("jid", options.jid, "user@domain")->required();
  one->add_option("file", options.file, "where to; default: standard output");
  for (auto* command : {add, passwd}) command->add_option("--password", options.password, "the new password");
  list->add_option("domain", options.domain, "only this domain's");
  import->add_option("file", options.file, "lines of a bare JID, white space and a password; - for standard input")
      ->required();
}

void AddOrderCommands(CLI::App& app, Options& options) {
  Command(app, options, "status", "the cluster at a glance");
  auto* drain = Command(app, options, "drain", "let an edge send its clients elsewhere and take no new ones");
  auto* undrain = Command(app, options, "undrain", "take it back");
  for (auto* command : {drain, undrain}) {
    command->add_option("instance", options.instance, "name of the c2s, as 'status' shows it")->required();
  }
  auto* ban = Command(app, options, "ban", "refuse an address or a network on every edge, and end its connections");
  auto* unban = Command(app, options, "unban", "take it back");
  for (auto* command : {ban, unban}) {
    command->add_option("network", options.network, "192.0.2.1, 192.0.2.0/24, 2001:db8::/32")->required();
  }
  ban->add_option("--for", options.seconds, "how long, like 90s, 30m, 12h; default: until it is taken back")
      ->transform(
          CLI::AsNumberWithUnit(std::map<std::string, std::uint64_t>{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}));
  Command(app, options, "bans", "list what is banned");
  Command(app, options, "limits", "the limits for an address or an account")
      ->add_option("who", options.jid, "an address or user@domain")
      ->required();
}

void AddTransferCommands(CLI::App& app, Options& options) {
  auto* out = Command(app, options, "export", "write accounts with all that is kept for them, in XEP-0227 form");
  out->add_option("domain", options.domain, "only this domain's")->required();
  out->add_option("file", options.file, "where to; default: standard output");
  Command(app, options, "import", "create accounts from XEP-0227 form, as ejabberd and Prosody export it, too")
      ->add_option("path", options.file, "a file, a directory of files; - for standard input")
      ->required();
}

void AddSessionCommands(CLI::App& app, Options& options) {
  auto& sessions = *Group(app, "sessions", "who is connected");
  auto* list = Command(sessions, options, "list", "list sessions");
  list->add_option("jid", options.jid, "only this account's (user@domain), session's (with /resource) or domain's");
  list->add_option("--limit", options.limit, "at most so many");
  auto* kick = Command(sessions, options, "kick", "end the sessions of an account, or one of them");
  kick->add_option("jid", options.jid, "user@domain or user@domain/resource")->required();
}

}  // namespace

Options ParseCommandLine(int argc, char** argv) {
  Options options;
  CLI::App app("Manages a Parley cluster", "parleyctl");
  app.require_subcommand(1)->footer(kFooter);
  app.set_version_flag("--version", "parleyctl " + Version());
  app.add_option("--config", options.config_file, "the cluster's configuration (default: /etc/parley/parley.yaml)");
  app.add_option("--router", options.routers, "host:port of a router, instead of the configuration's")
      ->allow_extra_args(false);
  app.add_option("--roster", options.rosters, "host:port of a roster service, instead of the configuration's")
      ->allow_extra_args(false);
  app.add_option("--identity", options.identity,
                 "directory with tls.crt, tls.key and ca.crt of an operator, for a cluster with mutual TLS (default: "
                 "/etc/parley/operator, if there is one, else mtls.directory)")
      ->envname("PARLEY_IDENTITY");
  app.add_option("--token-file", options.token_file, "file with an operator's token, for a cluster that asks for one")
      ->envname("PARLEY_TOKEN_FILE");
  app.add_flag("--json", options.json, "JSON instead of tables");
  AddUserCommands(app, options);
  AddTransferCommands(app, options);
  AddOrderCommands(app, options);
  AddSessionCommands(app, options);
  Command(app, options, "members", "list the cluster's processes");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? kDone : kUsage);
  }
  return options;
}

}  // namespace parley::ctl
