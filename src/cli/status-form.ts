/** What a status for people looks like. */
export interface StatusPaint {
  heading(text: string): string;
  quiet(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export interface StatusForm {
  readonly columns: number;
  readonly paint: StatusPaint;
  /** Every entry of the kernel that leads to a peer, too. */
  readonly entries: boolean;
}
