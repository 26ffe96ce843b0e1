/** The queue and the connection that the API and the worker share. */
export const QUEUE = "tasks";
export const connection = { host: "127.0.0.1", port: Number(process.env.REDIS_PORT) };
