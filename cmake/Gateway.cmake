# One function per kind of target:
#
#   gateway_library(name SOURCES ... DEPS ... [PCH core|grpc])
#   gateway_service(name MAIN main.cc DEPS ...)      a binary, hyphenated
#   gateway_test(name SOURCES ... DEPS ... [LABELS ...] [PCH core|grpc] [TSAN])
#   gateway_proto(name PROTOS ...)                   generated code, one library
#
# A folder under common/ or services/ is one library, named after its path:
# common/http is common_http. Its tests live under the mirrored folder of
# tests/unit and are one binary: tests/unit/common/http is unit_common_http.

# With nothing but syntax checked there is nothing to archive.
if(GATEWAY_SYNTAX_ONLY)
  set(GATEWAY_LIBRARY_TYPE OBJECT)
else()
  set(GATEWAY_LIBRARY_TYPE STATIC)
endif()

# Precompiled headers are built once and shared; see common/pch.
function(_gateway_pch target kind)
  if(TARGET gateway_pch_${kind} AND NOT GATEWAY_SYNTAX_ONLY)
    target_precompile_headers(${target} REUSE_FROM gateway_pch_${kind})
  endif()
endfunction()

function(gateway_library name)
  cmake_parse_arguments(ARG "" "PCH" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} ${GATEWAY_LIBRARY_TYPE} ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC gateway_options ${ARG_DEPS}
                                  PRIVATE ${ARG_PRIVATE_DEPS})
    _gateway_pch(${name} "${ARG_PCH}")
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE gateway_options ${ARG_DEPS})
  endif()
endfunction()

function(gateway_service name)
  cmake_parse_arguments(ARG "" "MAIN;PCH" "DEPS" ${ARGN})
  if(GATEWAY_SYNTAX_ONLY)
    add_library(${name} OBJECT ${ARG_MAIN})
  else()
    add_executable(${name} ${ARG_MAIN})
    if(NOT GATEWAY_SANITIZER)
      target_link_libraries(${name} PRIVATE PkgConfig::JEMALLOC)
    endif()
  endif()
  target_link_libraries(${name} PRIVATE gateway_options ${ARG_DEPS})
  _gateway_pch(${name} "${ARG_PCH}")
endfunction()

# Targets fit for ThreadSanitizer: TSAN on a test says that nothing below it
# links gRPC or RocksDB, whose packages are not instrumented.
add_custom_target(tsan_tests)

function(gateway_test name)
  cmake_parse_arguments(ARG "TSAN" "PCH;TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(GATEWAY_SYNTAX_ONLY)
    add_library(${name} OBJECT ${ARG_SOURCES})
  else()
    add_executable(${name} ${ARG_SOURCES})
    set_target_properties(${name} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
    add_test(NAME ${name} COMMAND ${name})
    if(ARG_TSAN)
      list(APPEND ARG_LABELS tsan)
      add_dependencies(tsan_tests ${name})
    endif()
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
    if(ARG_TIMEOUT)
      set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
    endif()
  endif()
  target_link_libraries(${name} PRIVATE gateway_options ${ARG_DEPS}
                        GTest::gmock GTest::gtest_main)
  # What a test says of optimized code holds as well if the test is not: that
  # halves the time to build it. Such code needs precompiled headers of its own.
  if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_options(${name} PRIVATE -O0)
    _gateway_pch(${name} "test_${ARG_PCH}")
  else()
    _gateway_pch(${name} "${ARG_PCH}")
  endif()
endfunction()

# Two libraries: ${name} holds the messages and needs protobuf alone, so that
# domain code never sees gRPC; ${name}_grpc holds the service classes.
function(gateway_proto name)
  cmake_parse_arguments(ARG "" "" "PROTOS" ${ARGN})
  set(out "${CMAKE_BINARY_DIR}/gen")
  file(MAKE_DIRECTORY ${out})
  set(messages)
  set(services)
  foreach(proto ${ARG_PROTOS})
    string(REPLACE ".proto" "" stem "${proto}")
    set(pb "${out}/${stem}.pb.cc" "${out}/${stem}.pb.h")
    set(grpc "${out}/${stem}.grpc.pb.cc" "${out}/${stem}.grpc.pb.h")
    add_custom_command(
      OUTPUT ${pb} ${grpc}
      COMMAND ${PROTOC} -I ${CMAKE_CURRENT_SOURCE_DIR} --cpp_out=${out}
              --grpc_out=${out} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN}
              ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      VERBATIM)
    list(APPEND messages ${pb})
    file(STRINGS ${proto} has_service REGEX "^service ")
    if(has_service)
      list(APPEND services ${grpc})
    endif()
  endforeach()
  # Not under gateway_options: generated code answers to protoc, not to us.
  add_library(${name} ${GATEWAY_LIBRARY_TYPE} ${messages})
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf)
  add_library(${name}_grpc ${GATEWAY_LIBRARY_TYPE} ${services})
  target_link_libraries(${name}_grpc PUBLIC ${name} gRPC::grpc++)
  foreach(library ${name} ${name}_grpc)
    target_compile_options(${library} PRIVATE -w)
    if(GATEWAY_SYNTAX_ONLY)
      # The headers are needed, the objects are not.
      target_compile_options(${library} PRIVATE -fsyntax-only)
    endif()
  endforeach()
endfunction()
