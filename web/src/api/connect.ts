// One call of the collector's API by the Connect protocol, in JSON.

export class CollectorError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

// A browser opens six connections to one address; more calls than that would only wait in its queue, where
// the quick ones could not overtake.
const AT_ONCE = 4;
let running = 0;
const waiting: (() => void)[] = [];

async function turn(): Promise<void> {
  while (running >= AT_ONCE) await new Promise<void>((go) => waiting.push(go));
  ++running;
}

function done(): void {
  --running;
  waiting.shift()?.();
}

export async function call<Response>(
  method: string,
  request: object,
  signal: AbortSignal,
): Promise<Response> {
  await turn();
  try {
    signal.throwIfAborted();
    const response = await fetch(`/pilotlight.v1.Query/${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Connect-Protocol-Version": "1" },
      body: JSON.stringify(request),
      signal,
    });
    if (response.ok) return (await response.json()) as Response;
    const text = await response.text();
    try {
      const error = JSON.parse(text) as { code?: string; message?: string };
      throw new CollectorError(error.code ?? "unknown", error.message ?? text);
    } catch (error) {
      if (error instanceof CollectorError) throw error;
      throw new CollectorError("unknown", text.trim() || `${response.status} ${response.statusText}`);
    }
  } catch (error) {
    if (error instanceof TypeError) throw new CollectorError("unavailable", "The collector does not answer.");
    throw error;
  } finally {
    done();
  }
}
