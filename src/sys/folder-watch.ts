import { type FSWatcher, statfsSync, statSync, watch } from 'node:fs';
import path from 'node:path';

/** PROC_SUPER_MAGIC: what comes and goes there is told to nobody. */
const procfs = 0x9fa0;

/** Tells when something comes to or goes from a folder (inotify(7)), also after another folder has taken its name. */
export class FolderWatch {
  readonly #folder: string;
  readonly #onChange: () => void;
  #watcher: FSWatcher | undefined;
  #watched: string | undefined;

  constructor(folder: string, onChange: () => void) {
    this.#folder = folder;
    this.#onChange = onChange;
  }

  /**
   * Watches the folder that has the name now. Call it before each look at what is in there, so that nothing is missed.
   * @returns false where nobody tells: the folder is not there, is the kernel's, or there are no more inotify watches
   */
  follow(): boolean {
    try {
      const { dev, ino } = statSync(this.#folder);
      const now = `${dev}:${ino}`;
      if (now === this.#watched) return true;
      this.close();
      if (statfsSync(this.#folder).type === procfs) return false;
      // Its own end has its own name, and another folder may have its number by now.
      const onEvent = (_: string, name: string | null): void => {
        if (name === path.basename(this.#folder)) this.#lose();
        else this.#onChange();
      };
      this.#watcher = watch(this.#folder, onEvent).on('error', () => this.#lose());
      this.#watched = now;
      return true;
    } catch {
      this.close();
      return false;
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = undefined;
  }

  #lose(): void {
    this.close();
    this.#onChange();
  }
}
