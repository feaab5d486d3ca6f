/** Fixtures as hex; spaces and line ends are for the reader. */
export function hex(...text: string[]): Uint8Array {
  return Uint8Array.from(text.join('').match(/[0-9a-f]{2}/g) ?? [], byte => Number.parseInt(byte, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
