# Flags that every target of the project shares, as interface targets; nothing of this is installed.
# SPDX-License-Identifier: MIT
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(equisorb_flags INTERFACE)
target_compile_features(equisorb_flags INTERFACE c_std_11 cxx_std_17)
target_compile_definitions(equisorb_flags INTERFACE _GNU_SOURCE
                           EQS_VERSION="${PROJECT_VERSION}")
target_include_directories(equisorb_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(
  equisorb_flags
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -fvisibility=hidden
            $<$<COMPILE_LANGUAGE:C>:-Wconversion>
            $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
            $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>
            $<$<BOOL:${EQS_WERROR}>:-Werror>)
if(EQS_SANITIZE)
  # Without "no-recover" undefined behaviour is printed and the test passes all the same.
  set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(equisorb_flags INTERFACE ${sanitize})
  target_link_options(equisorb_flags INTERFACE ${sanitize})
endif()
if(EQS_FUZZ)
  target_compile_options(equisorb_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
