#pragma once

#include <charconv>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

struct pg_result;

namespace parley::storage {

// What a statement answered, in text form. Speaks like pqxx::result, so that what takes it apart takes either.
class Rows {
 public:
  class Field {
   public:
    const char* c_str() const;
    std::size_t size() const;
    bool is_null() const;
    // Throws std::runtime_error if that is not what it holds.
    template <class T>
    T as() const;

   private:
    friend class Rows;
    Field(const pg_result* rows, int row, int column) : rows_(rows), row_(row), column_(column) {}
    const pg_result* rows_;
    int row_;
    int column_;
  };

  class Row {
   public:
    Field operator[](int column) const { return {rows_, row_, column}; }

   private:
    friend class Rows;
    Row(const pg_result* rows, int row) : rows_(rows), row_(row) {}
    const pg_result* rows_;
    int row_;
  };

  // Takes it over.
  explicit Rows(pg_result* rows) : rows_(rows) {}
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  Row operator[](std::size_t row) const { return {rows_.get(), static_cast<int>(row)}; }

 private:
  struct Clear {
    void operator()(pg_result* rows) const;
  };
  std::unique_ptr<pg_result, Clear> rows_;
};

template <class T>
T Rows::Field::as() const {
  const std::string_view text(c_str(), size());
  T value{};
  if constexpr (std::is_same_v<T, bool>) {
    value = text == "t";
    if (value || text == "f") return value;
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
  }
  throw std::runtime_error("not the kind of value that was expected: '" + std::string(text) + "'");
}

}  // namespace parley::storage
