#pragma once

#include <memory>
#include <string>

#include "libs/xml/scanner.h"

namespace parley::c2s {

// One thing that a client may negotiate (RFC 6120 4.3): says that it is there, and takes the elements that it knows.
class Feature {
 public:
  virtual ~Feature() = default;
  // Appends its element of <stream:features/>, if it is to be offered now.
  virtual void Advertise(std::string& features) const = 0;
  // False: not mine.
  virtual bool Take(const xml::Child& child) = 0;
  // The stream is over: give up what is under way.
  virtual void Abandon() = 0;
};

}  // namespace parley::c2s
