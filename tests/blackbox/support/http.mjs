// HTTP request texts, right and wrong ones. A header set to null is left out, an array repeats it.

export const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ==';

export function request(
  target = '/',
  { method = 'GET', version = '1.1', headers = {}, body = '' } = {},
) {
  const lines = Object.entries({ Host: 'localhost', ...headers }).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}: ${one}`),
  );
  return [`${method} ${target} HTTP/${version}`, ...lines, '', body].join('\r\n');
}

export function upgradeRequest(target = '/', { headers, ...options } = {}) {
  const upgradeHeaders = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': sampleKey,
    'Sec-WebSocket-Version': 13,
  };
  return request(target, { ...options, headers: { ...upgradeHeaders, ...headers } });
}

/** The response head as `{ status, headers }`, the header names in lower case. */
export function parseResponseHead(text) {
  const [statusLine, ...lines] = text.trimEnd().split('\r\n');
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine) ?? [];
  if (!status) throw new Error(`No HTTP/1.1 status line: ${JSON.stringify(statusLine)}`);
  const headers = Object.fromEntries(lines.map(parseHeader));
  return { status: Number(status), headers };
}

function parseHeader(line) {
  const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
  if (!name) throw new Error(`No header: ${JSON.stringify(line)}`);
  return [name.toLowerCase(), value];
}
