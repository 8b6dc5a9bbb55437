#include "libs/storage/postgres_rows.h"

#include <libpq-fe.h>

namespace parley::storage {

const char* Rows::Field::c_str() const { return PQgetvalue(rows_, row_, column_); }
std::size_t Rows::Field::size() const { return static_cast<std::size_t>(PQgetlength(rows_, row_, column_)); }
bool Rows::Field::is_null() const { return PQgetisnull(rows_, row_, column_) != 0; }

std::size_t Rows::size() const { return static_cast<std::size_t>(PQntuples(rows_.get())); }

void Rows::Clear::operator()(pg_result* rows) const { PQclear(rows); }

}  // namespace parley::storage
