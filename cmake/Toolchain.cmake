# Compiler, linker and cache settings that hold for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(GATEWAY_SANITIZER "" CACHE STRING "address, thread or empty")
option(GATEWAY_SYNTAX_ONLY "Check with clang's thread-safety analysis" OFF)

# Line tables are all that a backtrace needs, and cost a third of -g; they stay
# out of the objects, so that the linker never reads them, unless the binaries
# leave this machine.
option(GATEWAY_SPLIT_DWARF "Keep debug information beside the objects" ON)
set(debug_flags "-g1")
if(GATEWAY_SPLIT_DWARF)
  string(APPEND debug_flags " -gsplit-dwarf")
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 ${debug_flags} -DNDEBUG")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 ${debug_flags} -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 ${debug_flags}")

find_program(GATEWAY_CCACHE ccache)
if(GATEWAY_CCACHE AND NOT GATEWAY_SYNTAX_ONLY)
  # The sloppiness is what ccache asks for with precompiled headers. Depend mode
  # spares a run of the preprocessor for each file that is not cached yet.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
      ${GATEWAY_CCACHE})
endif()

# The one target that carries warnings and instrumentation.
add_library(gateway_options INTERFACE)
target_compile_options(gateway_options INTERFACE
  -pthread -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Needed for ccache to see through a precompiled header.
  target_compile_options(gateway_options INTERFACE -fpch-preprocess)
  # False positives of GCC 12 inside coroutine frames and the standard library.
  target_compile_options(gateway_options INTERFACE
    -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
    -Wno-array-bounds -Wno-subobject-linkage
    $<$<CONFIG:RelWithDebInfo>:-Wno-mismatched-new-delete>)
endif()
# Debian links a dozen libraries per package: keep those that are used, so that
# processes start fast and a test that uses no gRPC loads none.
if(NOT GATEWAY_SYNTAX_ONLY)
  target_link_options(gateway_options INTERFACE -Wl,--as-needed)
endif()

target_include_directories(gateway_options INTERFACE ${CMAKE_SOURCE_DIR})

find_program(GATEWAY_MOLD mold)
if(GATEWAY_MOLD AND NOT GATEWAY_SYNTAX_ONLY)
  target_link_options(gateway_options INTERFACE -fuse-ld=mold)
endif()

if(GATEWAY_SYNTAX_ONLY)
  target_compile_options(gateway_options INTERFACE
    -fsyntax-only -Wthread-safety -Werror=thread-safety)
endif()

if(GATEWAY_SANITIZER STREQUAL "address")
  target_compile_options(gateway_options INTERFACE
    # Not optimized: -O1 takes half as long again to compile.
    -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer)
  target_link_options(gateway_options INTERFACE -fsanitize=address,undefined)
elseif(GATEWAY_SANITIZER STREQUAL "thread")
  # Asio fences around each handler what its locks order anyway, and the
  # sanitizer does not know fences.
  target_compile_definitions(gateway_options INTERFACE
    BOOST_ASIO_DISABLE_FENCED_BLOCK)
  target_compile_options(gateway_options INTERFACE -O1 -fsanitize=thread
    # Another false positive about coroutine frames, of GCC 12 with -O1.
    -Wno-mismatched-new-delete)
  target_link_options(gateway_options INTERFACE -fsanitize=thread)
endif()
