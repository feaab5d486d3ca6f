/** Gather lists, as writev(2) and sendmsg(2) take them: chains of pieces of the arena, without an object for each. */
export class Pieces {
  readonly offset: Int32Array;
  readonly length: Int32Array;
  /** The next of the chain; -1 after the last. */
  readonly next: Int32Array;
  count = 0;

  constructor(capacity: number) {
    this.offset = new Int32Array(capacity);
    this.length = new Int32Array(capacity);
    this.next = new Int32Array(capacity);
  }

  get room(): number {
    return this.offset.length - this.count;
  }

  /** Adds a piece, behind the one numbered `after` unless that is -1, and gives its number. */
  add(after: number, offset: number, length: number): number {
    const piece = this.count++;
    this.offset[piece] = offset;
    this.length[piece] = length;
    this.next[piece] = -1;
    if (after >= 0) this.next[after] = piece;
    return piece;
  }

  clear(): void {
    this.count = 0;
  }
}
