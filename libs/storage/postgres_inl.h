#pragma once

#include <optional>
#include <utility>

#include "libs/storage/postgres.h"

namespace parley::storage {

template <class T>
void Postgres::Run(std::function<T(pqxx::connection&)> job, std::function<void(Result<T>)> done, InDoubt in_doubt) {
  auto value = std::make_shared<std::optional<T>>();
  Submit([value, job = std::move(job)](pqxx::connection& connection) { value->emplace(job(connection)); },
         [value, done = std::move(done)](const Error* error) {
           if (error != nullptr) return done(*error);
           done(std::move(**value));
         },
         std::move(in_doubt));
}

}  // namespace parley::storage
