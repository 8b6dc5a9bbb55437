#pragma once

#include <optional>

namespace parley::session {

// A row of the table by which a session lives: in state `from`, `event` leads to state `to`.
template <class State, class Event>
struct Transition {
  State from;
  Event event;
  State to;
};

// Where `event` leads from `from`. nullopt: it does not happen there.
template <class Table, class State, class Event>
constexpr std::optional<State> Next(const Table& table, State from, Event event) {
  for (const auto& row : table) {
    if (row.from == from && row.event == event) return row.to;
  }
  return std::nullopt;
}

}  // namespace parley::session
