/**
 * What an open stream costs when nothing is done with it: the measure of idle sessions.
 *
 * For each GET one GET goes to the stub with `fetch`, and what it brings is put onto a stream of its own,
 * as by anything that may have to say something itself. (The runtime can also pass a body on without
 * showing it to the program, for half of the memory; nothing can be done with it then.) Sessions are opened
 * at the stub itself; nothing but streams goes through here.
 *
 * Argument: the port of the stub.
 *
 * @module
 */

const PASSED = ["accept", "mcp-protocol-version", "mcp-session-id"];

async function relay(request: Request, port: number): Promise<Response> {
  if (request.method !== "GET") return new Response(null, { status: 405 });
  const headers = new Headers();
  for (const name of PASSED) headers.set(name, request.headers.get(name) ?? "");
  const { pathname } = new URL(request.url);
  const { status, headers: answered, body } = await fetch(`http://127.0.0.1:${port}${pathname}`, {
    headers,
  });
  const contentType = answered.get("content-type") ?? "";
  const reader = body!.getReader();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(stream, { status, headers: { "content-type": contentType } });
}

if (import.meta.main) {
  const stubPort = Number(Deno.args[0]);
  const onListen = ({ port }: { port: number }) => {
    console.log(`Listening on http://127.0.0.1:${port}`);
  };
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, (request) => relay(request, stubPort));
}
