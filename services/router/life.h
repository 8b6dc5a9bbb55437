#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "libs/session/transition.h"
#include "parley/session/v1/session.pb.h"

// How a session lives at its account's home router: by its record in Redis. ARCHITECTURE.md, "Life of a session", says
// of each row what happens; a test compares.
namespace parley::router::life {

enum class State : std::uint8_t {
  kBound,      // by an edge, and ends with that
  kResumable,  // the same, but it outlives its edge (XEP-0198 section 5)
  kOrphan,     // no edge has it
  kEnded,
};
inline constexpr std::array<std::string_view, 4> kStateNames = {"bound", "resumable", "orphan", "ended"};

enum class Event : std::uint8_t {
  kClaimed,
  kPutBack,
  kEdgeLost,
  kLetGo,
  kUnknown,
  kExpired,
  kQueueFull,
  kQueueLost,
  kOver,
  kKicked,
  kDisplaced,
};
inline constexpr std::array<std::string_view, 11> kEventNames = {"claimed", "put back", "edge lost",  "let go",
                                                                 "unknown", "expired",  "queue full", "queue lost",
                                                                 "over",    "kicked",   "displaced"};

constexpr std::string_view Name(State state) { return kStateNames[static_cast<std::size_t>(state)]; }
constexpr std::string_view Name(Event event) { return kEventNames[static_cast<std::size_t>(event)]; }

inline constexpr session::Transition<State, Event> kLife[] = {
    {State::kResumable, Event::kClaimed, State::kResumable}, {State::kOrphan, Event::kClaimed, State::kResumable},
    {State::kBound, Event::kPutBack, State::kBound},         {State::kResumable, Event::kPutBack, State::kResumable},
    {State::kOrphan, Event::kPutBack, State::kResumable},    {State::kBound, Event::kEdgeLost, State::kEnded},
    {State::kResumable, Event::kEdgeLost, State::kOrphan},   {State::kBound, Event::kLetGo, State::kEnded},
    {State::kResumable, Event::kLetGo, State::kOrphan},      {State::kBound, Event::kUnknown, State::kEnded},
    {State::kResumable, Event::kUnknown, State::kOrphan},    {State::kOrphan, Event::kExpired, State::kEnded},
    {State::kOrphan, Event::kQueueFull, State::kEnded},      {State::kResumable, Event::kQueueLost, State::kEnded},
    {State::kOrphan, Event::kQueueLost, State::kEnded},      {State::kBound, Event::kOver, State::kEnded},
    {State::kResumable, Event::kOver, State::kEnded},        {State::kOrphan, Event::kOver, State::kEnded},
    {State::kBound, Event::kKicked, State::kEnded},          {State::kResumable, Event::kKicked, State::kEnded},
    {State::kOrphan, Event::kKicked, State::kEnded},         {State::kBound, Event::kDisplaced, State::kEnded},
    {State::kResumable, Event::kDisplaced, State::kEnded},   {State::kOrphan, Event::kDisplaced, State::kEnded},
};

constexpr std::optional<State> Next(State from, Event event) { return session::Next(kLife, from, event); }

State StateOf(const session::v1::Record& record);
// Changes the record of a session that goes on. False, and nothing changes, if the event does not happen in its state,
// or ends it.
bool Apply(Event event, session::v1::Record& record);

}  // namespace parley::router::life
