# Everything from Debian 12; `./parley` installs it.
set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc i18n)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(EXPAT REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
<<<<<<< HEAD
pkg_check_modules(pq REQUIRED IMPORTED_TARGET libpq)
=======
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
>>>>>>> main
pkg_check_modules(pqxx REQUIRED IMPORTED_TARGET libpqxx)
if(PARLEY_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# Asio without its deprecated parts, in few instantiations.
add_library(parley_asio INTERFACE)
target_link_libraries(parley_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(parley_asio INTERFACE BOOST_ASIO_NO_DEPRECATED)
