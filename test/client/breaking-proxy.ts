/** A TCP proxy that lets a request through and cuts its answer. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export type BreakingProxy = {
  url: string;
  /** How many answers it has cut. */
  broken(): number;
  stop(): Promise<void>;
};

/** Cuts the first `answers` answers after `bytes` of them; what comes later goes through. */
export async function startBreakingProxy(target: string, answers: number, bytes: number): Promise<BreakingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let broken = 0;
  const server = createServer((client) => {
    const service = connect(Number(port), hostname);
    for (const socket of [client, service]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    client.pipe(service);
    service.on("data", (chunk: Buffer) => {
      if (broken >= answers) {
        client.write(chunk);
        return;
      }
      broken++;
      client.write(chunk.subarray(0, bytes), () => client.resetAndDestroy());
      service.destroy();
    });
    service.on("end", () => client.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    broken: () => broken,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
