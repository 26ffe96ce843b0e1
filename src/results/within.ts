/** Answers what a call gives, or "late" where it takes longer than `ms`. The call itself goes on. */
export async function within<T>(answer: Promise<T>, ms: number): Promise<T | "late"> {
  let timer = 0;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
