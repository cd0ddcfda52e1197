/** Waits until something holds; throws when it does not within some seconds. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  for (const endsAt = performance.now() + withinMs; performance.now() < endsAt;) {
    if (await condition()) return;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  throw new Error(`it did not come to pass within ${withinMs} ms`);
}
