// WebSocket frames by hand, right and wrong ones (RFC 6455, section 5.2). They are masked, final
// and of the shortest length form unless the caller says otherwise.

import { randomBytes } from 'node:crypto';

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

function shortestForm(length) {
  if (length < 126) return 7;
  return length < 65536 ? 16 : 64;
}

function lengthField(length, form) {
  if (form === 7) return { indicator: Number(length), extension: Buffer.alloc(0) };
  const extension = Buffer.alloc(form / 8);
  if (form === 16) extension.writeUInt16BE(Number(length));
  else extension.writeBigUInt64BE(BigInt(length));
  return { indicator: form === 16 ? 126 : 127, extension };
}

/** `length` may announce more than there is; `reserved` sets RSV1 (4), RSV2 (2), RSV3 (1). */
export function frame(opcode, payload = '', options = {}) {
  const body = Buffer.from(payload);
  const { final = true, masked = true, reserved = 0, mask = randomBytes(4) } = options;
  const { length = body.length, lengthForm = shortestForm(length) } = options;
  const { indicator, extension } = lengthField(length, lengthForm);
  const first = (final ? 0x80 : 0) | (reserved << 4) | opcode;
  const header = Buffer.concat([Buffer.from([first, (masked ? 0x80 : 0) | indicator]), extension]);
  if (!masked) return Buffer.concat([header, body]);
  return Buffer.concat([header, mask, body.map((byte, index) => byte ^ mask[index % 4])]);
}

export const text = (payload, options) => frame(opcodes.text, payload, options);
export const continuation = (payload, options) => frame(opcodes.continuation, payload, options);
export const ping = (payload, options) => frame(opcodes.ping, payload, options);
export const pong = (payload, options) => frame(opcodes.pong, payload, options);
export const json = (message, options) => text(JSON.stringify(message), options);
export const close = (code, reason) => frame(opcodes.close, closePayload(code, reason));

export function closePayload(code, reason = '') {
  if (code === undefined) return Buffer.alloc(0);
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

/** Cuts one message into fragments at the given byte positions. */
export function fragments(opcode, payload, ...positions) {
  const body = Buffer.from(payload);
  return [...positions, body.length].map((end, index) => {
    const part = body.subarray(positions[index - 1] ?? 0, end);
    return frame(index === 0 ? opcode : opcodes.continuation, part, {
      final: index === positions.length,
    });
  });
}
