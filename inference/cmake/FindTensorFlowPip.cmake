# The TensorFlow that pip installed: its headers, its two libraries, its ABI.
#
#   find_package(TensorFlowPip REQUIRED)
#   target_link_libraries(app PRIVATE TensorFlowPip::tensorflow)
#
# It asks a Python: -DPython3_EXECUTABLE=..., or .venv/bin/python at the top of the repository, or
# the first one found.

set(venv_python ${CMAKE_CURRENT_LIST_DIR}/../../.venv/bin/python)
if(NOT Python3_EXECUTABLE AND EXISTS ${venv_python})
  set(Python3_EXECUTABLE ${venv_python})
endif()
find_package(Python3 COMPONENTS Interpreter REQUIRED)

if(NOT TensorFlowPip_FOLDER OR NOT EXISTS ${TensorFlowPip_FOLDER})
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env TF_CPP_MIN_LOG_LEVEL=3 ${Python3_EXECUTABLE} -c
            "import tensorflow as tf; from tensorflow import sysconfig; \
print(sysconfig.get_lib(), tf.__version__, sysconfig.CXX11_ABI_FLAG, sep=';')"
    OUTPUT_VARIABLE answer ERROR_VARIABLE problem RESULT_VARIABLE failed
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed)
    message(FATAL_ERROR
            "${Python3_EXECUTABLE} has no TensorFlow that can be imported: "
            "pip install -r requirements.txt, "
            "or name another Python with -DPython3_EXECUTABLE=...\n${problem}")
  endif()
  list(GET answer 0 folder)
  list(GET answer 1 version)
  list(GET answer 2 abi)
  set(TensorFlowPip_FOLDER ${folder} CACHE PATH "folder of the tensorflow package" FORCE)
  set(TensorFlowPip_VERSION ${version} CACHE STRING "version of the tensorflow package" FORCE)
  set(TensorFlowPip_ABI ${abi} CACHE STRING
    "_GLIBCXX_USE_CXX11_ABI of the tensorflow package" FORCE)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorFlowPip
  REQUIRED_VARS TensorFlowPip_FOLDER VERSION_VAR TensorFlowPip_VERSION)

if(TensorFlowPip_FOUND AND NOT TARGET TensorFlowPip::tensorflow)
  add_library(TensorFlowPip::tensorflow INTERFACE IMPORTED)
  target_include_directories(TensorFlowPip::tensorflow
    SYSTEM INTERFACE ${TensorFlowPip_FOLDER}/include)
  target_compile_definitions(TensorFlowPip::tensorflow
    INTERFACE _GLIBCXX_USE_CXX11_ABI=${TensorFlowPip_ABI})
  # --no-as-needed: the session factory registers itself when the library is loaded, and no symbol
  # asks for it.
  target_link_options(TensorFlowPip::tensorflow INTERFACE
    -Wl,--no-as-needed -L${TensorFlowPip_FOLDER} -Wl,-rpath,${TensorFlowPip_FOLDER})
  target_link_libraries(TensorFlowPip::tensorflow
    INTERFACE -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2)
endif()
