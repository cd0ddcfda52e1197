/** Waits for SIGINT or SIGTERM, or for the parent process to go away when there is one. A second signal ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise(resolve => {
    const stop = () => {
      process.once("SIGINT", () => process.exit(130));
      process.once("SIGTERM", () => process.exit(143));
      resolve();
    };
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    process.once("disconnect", stop);
  });
}
