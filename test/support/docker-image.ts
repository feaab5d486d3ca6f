/** A container image made of nothing but the static busybox: no registry, 2 MB, there in a moment. */
import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { run } from './command.ts';

/** The tar of a root file system with every busybox applet, made in `folder`, for `docker import`. */
export async function busyboxRootfs(folder: string): Promise<string> {
  const [bin, tar] = [path.join(folder, 'rootfs/bin'), path.join(folder, 'rootfs.tar')];
  await mkdir(bin, { recursive: true });
  await mkdir(path.join(folder, 'rootfs/tmp'));
  await run(['cp', '/bin/busybox', bin]);
  const applets = (await run('/bin/busybox --list'))
    .split('\n')
    .filter(name => name !== '' && name !== 'busybox');
  for (const applet of applets) await symlink('busybox', path.join(bin, applet));
  await run(['tar', '--create', '--file', tar, '--directory', path.join(folder, 'rootfs'), '.']);
  return tar;
}
