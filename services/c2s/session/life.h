#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "libs/session/transition.h"

// How a session lives at its edge. ARCHITECTURE.md, "Life of a session", says of each row what happens; a test
// compares.
namespace parley::c2s::life {

enum class State : std::uint8_t {
  kBinding,  // a router is asked for it
  kBound,    // a stream has it
  kAway,     // no stream has it, and one may (XEP-0198 section 5)
  kEnded,
};
inline constexpr std::array<std::string_view, 4> kStateNames = {"binding", "bound", "away", "ended"};

enum class Event : std::uint8_t {
  kBound,
  kClaimed,
  kNotBound,
  kNotOurs,
  kLetGo,
  kDetached,
  kReplaced,
  kResumed,
  kHandedOver,
  kClosed,
  kExpired,
  kQueueFull,
  kDisconnected,
};
inline constexpr std::array<std::string_view, 13> kEventNames = {
    "bound",   "claimed",     "not bound", "not ours", "let go",     "detached",    "replaced",
    "resumed", "handed over", "closed",    "expired",  "queue full", "disconnected"};

constexpr std::string_view Name(State state) { return kStateNames[static_cast<std::size_t>(state)]; }
constexpr std::string_view Name(Event event) { return kEventNames[static_cast<std::size_t>(event)]; }

inline constexpr session::Transition<State, Event> kLife[] = {
    {State::kBinding, Event::kBound, State::kBound},     {State::kBinding, Event::kClaimed, State::kAway},
    {State::kBinding, Event::kNotBound, State::kEnded},  {State::kBinding, Event::kNotOurs, State::kEnded},
    {State::kBinding, Event::kLetGo, State::kEnded},     {State::kBinding, Event::kDisconnected, State::kEnded},
    {State::kBound, Event::kDetached, State::kAway},     {State::kBound, Event::kReplaced, State::kAway},
    {State::kBound, Event::kClosed, State::kEnded},      {State::kBound, Event::kQueueFull, State::kEnded},
    {State::kAway, Event::kResumed, State::kBound},      {State::kAway, Event::kHandedOver, State::kEnded},
    {State::kAway, Event::kExpired, State::kEnded},      {State::kAway, Event::kQueueFull, State::kEnded},
    {State::kAway, Event::kDisconnected, State::kEnded},
};

constexpr std::optional<State> Next(State from, Event event) { return session::Next(kLife, from, event); }

}  // namespace parley::c2s::life
