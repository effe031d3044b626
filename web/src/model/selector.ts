// PromQL label matchers: {service_name="checkout", pod=~"checkout-.*"}.

export const OPERATORS = ["=", "!=", "=~", "!~"] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Matcher {
  name: string;
  operator: Operator;
  value: string;
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r" };

// Undefined for what the chips cannot show; the collector then says what is wrong with it.
export function parseSelector(text: string): Matcher[] | undefined {
  const matchers: Matcher[] = [];
  let rest = text.trim();
  if (rest === "") return matchers;
  if (!rest.startsWith("{") || !rest.endsWith("}")) return undefined;
  rest = rest.slice(1, -1).trim();
  while (rest !== "") {
    const part =
      /^([a-zA-Z_][a-zA-Z0-9_.]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*(,|$)\s*/.exec(
        rest,
      );
    if (!part) return undefined;
    const quoted = part[3] ?? part[4];
    matchers.push({
      name: part[1],
      operator: part[2] as Operator,
      value: quoted.replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c),
    });
    rest = rest.slice(part[0].length);
  }
  return matchers;
}

export function formatSelector(matchers: Matcher[]): string {
  const quote = (value: string) =>
    `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
  return `{${matchers.map((m) => m.name + m.operator + quote(m.value)).join(", ")}}`;
}

export function ofService(service: string): string {
  return formatSelector([{ name: "service_name", operator: "=", value: service }]);
}
