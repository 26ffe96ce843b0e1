/** The contract of `subjects/neutral.ts` with no queue, no storage and no work. */
import { Hono } from "hono";

const app = new Hono();

app.post("/tasks", async (c) => {
  await c.req.json();
  return c.json({ id: crypto.randomUUID() }, 202);
});

app.get("/tasks/:id", (c) => c.json({ id: c.req.param("id"), state: "SUCCESS", result: null }));

export default app;
