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

/** A signal that aborts on SIGINT or SIGTERM, for work that ends by itself. A second one ends the process at once. */
export function abortOnSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}
