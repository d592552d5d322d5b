/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every unit test begins with: cmocka with the headers it needs, and one
 * macro that supplies main() and speaks TAP.
 */
#ifndef HF_TESTS_UNIT_H
#define HF_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* UNIT_TESTS(unit(a_test), unit(another_test)) at the end of a file. */
#define unit(function) cmocka_unit_test(function)
#define UNIT_TESTS(...)                                                   \
    int main(void)                                                        \
    {                                                                     \
        static const struct CMUnitTest tests[] = {__VA_ARGS__};           \
        cmocka_set_message_output(CM_OUTPUT_TAP);                         \
        return cmocka_run_group_tests(tests, NULL, NULL);                 \
    }

/* For what comes soon: as long as this waits only a test that fails, on however slow a machine and under whatever tool. */
#define PATIENT_MS 30000

/* Say on which input of a table a check failed. */
#define assert_true_of(condition, ...)       \
    do {                                     \
        if (!(condition)) {                  \
            print_error(__VA_ARGS__);        \
            print_error("\n");               \
            fail_msg("%s", #condition);      \
        }                                    \
    } while (0)

#endif
