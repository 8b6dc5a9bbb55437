# Language level, warnings, sanitizers, ccache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
# Line tables are enough for stack traces and profiles; full debug information doubles compile time and disk.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 warns of its own inlined library code at -O2 (GCC bugs 105651, 105329, 107852).
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread)
endif()
if(PARLEY_SANITIZE)
  if("thread" IN_LIST PARLEY_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio's fences, which g++ cannot instrument, come beside a mutex.
    add_compile_options(-Wno-tsan)
  endif()
  foreach(sanitizer ${PARLEY_SANITIZE})
    add_compile_options(-fsanitize=${sanitizer})
    add_link_options(-fsanitize=${sanitizer})
  endforeach()
  if("undefined" IN_LIST PARLEY_SANITIZE)
    # spdlog's library has type information of its own.
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()
if(PARLEY_FUZZ)
  # Warnings are g++'s business; what clang thinks of all libraries must not keep a fuzzer from running. clang 14 cannot
  # compile -fsanitize=function into coroutines.
  add_compile_options(-Wno-error -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
                      -fno-sanitize=function)
  add_link_options(-fsanitize=address,undefined)
endif()
find_program(LLD ld.lld)
if(LLD)
  add_link_options(-fuse-ld=lld)
endif()
