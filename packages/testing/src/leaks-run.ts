/** How what a test run starts is told from everything else on the machine. */

/** The id of the run; set for every process that the run starts. */
export const runVariable = "IONO_TEST_RUN";
/** The test file that started a process. */
export const fileVariable = "IONO_TEST_FILE";
