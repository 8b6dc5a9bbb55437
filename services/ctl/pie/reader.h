#pragma once

#include <functional>
#include <string>

#include "libs/xml/element.h"

namespace parley::ctl {

// Reads server data in XEP-0227 form, user by user: a file of any size takes the memory of its largest user. Follows
// XInclude, as the XEP has it: relative names of files, anywhere. Throws Failure that names file and line.
class PieReader {
 public:
  using OnUser = std::function<void(const std::string& host, const xml::Element& user)>;
  explicit PieReader(OnUser on_user) : on_user_(std::move(on_user)) {}

  // A file ("-": standard input), or a directory: all its *.xml that hold <server-data/> (Prosody has one for each
  // user).
  void Read(const std::string& path);

 private:
  friend class PieFile;
  OnUser on_user_;
};

}  // namespace parley::ctl
