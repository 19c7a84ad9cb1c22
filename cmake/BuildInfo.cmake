# Run at each build: writes build_info.h, and touches it only when it changes.
# Takes OUTPUT, SOURCE, VERSION, BUILD_TYPE, GRPC, ROCKSDB, and REVISION, which
# is asked of git if it is empty.
set(revision "${REVISION}")
if(NOT revision)
  execute_process(COMMAND git rev-parse --short=12 HEAD
                  WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE revision
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT revision)
  set(revision unknown)
endif()
set(text "#define GATEWAY_VERSION \"${VERSION}\"
#define GATEWAY_REVISION \"${revision}\"
#define GATEWAY_BUILD_TYPE \"${BUILD_TYPE}\"
#define GATEWAY_GRPC_VERSION \"${GRPC}\"
#define GATEWAY_ROCKSDB_VERSION \"${ROCKSDB}\"
")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} old)
endif()
if(NOT "${old}" STREQUAL "${text}")
  file(WRITE ${OUTPUT} "${text}")
endif()
