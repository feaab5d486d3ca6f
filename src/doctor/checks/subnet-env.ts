/** Does the subnet file tell containers' runtimes what the lease says? */
import { dirname } from 'node:path';
import { shellWord } from '../../base/shell-word.ts';
import { describeSubnet } from '../../lease/judge.ts';
import { formatSubnetEnv, parseSubnetEnv } from '../../lease/subnet-env.ts';
import { readFileIfThere } from '../../sys/files.ts';
import type { MemberView } from '../../view/member-view.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, skip, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';

export const subnetEnv: Check = { name: 'subnet-env', title: 'subnet file', look };

async function look(scene: Scene): Promise<Finding> {
  const { subnetFile, ipMasq } = scene.options;
  const member = await scene.member();
  if (member.found.by === 'nothing') return skip('there is no lease that it could tell');
  const text = readFileIfThere(subnetFile);
  const wanted = wantedText(member, ipMasq);
  if (text === undefined) return missing(scene, wanted);
  const lacking = linesLacking(text, wanted);
  if (lacking.length === 0) return ok(`${subnetFile} says what the lease says`);
  return differing(scene, member, { text, wanted, lacking });
}

function wantedText({ membership }: MemberView, ipMasq: boolean): string {
  const { backend, host } = membership;
  const mtuBytes = backend.containerMtuBytes(host.external);
  return formatSubnetEnv({ config: host.config, subnet: host.lease.subnet, mtuBytes, ipMasq });
}

function linesLacking(text: string, wanted: string): string[] {
  const lines = text.split('\n');
  return wanted.split('\n').filter(line => line !== '' && !lines.includes(line));
}

function missing({ options: { subnetFile } }: Scene, wanted: string): Finding {
  return fail(`${subnetFile} is missing: Docker and the CNI plugin learn no subnet`, {
    evidence: [`cat ${subnetFile}: No such file or directory`],
    remedy: { commands: writeCommands(subnetFile, wanted), text: 'the daemon writes it when it starts' },
  });
}

interface Differing {
  readonly text: string;
  readonly wanted: string;
  readonly lacking: readonly string[];
}

function differing({ options: { subnetFile } }: Scene, member: MemberView, file: Differing): Finding {
  const { text, wanted, lacking } = file;
  const [said, leased] = [parseSubnetEnv(text), member.membership.host.lease.subnet];
  const trouble = {
    evidence: [
      ...text
        .trim()
        .split('\n')
        .map(line => `${subnetFile}: ${line}`),
      ...lacking.map(line => `shall say ${line}`),
    ],
    remedy: {
      commands: writeCommands(subnetFile, wanted),
      text: 'Docker takes it over when it is started again, with `weft docker-opts`; the CNI plugin for the next container',
    },
  };
  const isStale = said.subnet?.ipv4 !== leased.ipv4 || said.subnet?.ipv6 !== leased.ipv6;
  if (isStale) {
    const what = said.subnet === undefined ? 'no subnet' : describeSubnet(said.subnet);
    return fail(`${subnetFile} is stale: it says ${what}, the lease is ${describeSubnet(leased)}`, trouble);
  }
  if (lacking.every(line => line.startsWith('FLANNEL_IPMASQ=')))
    return masquerade(subnetFile, trouble, lacking);
  const wantedMtu = parseSubnetEnv(wanted).mtuBytes ?? 0;
  const isTooLarge = (said.mtuBytes ?? Number.POSITIVE_INFINITY) > wantedMtu;
  const tell = isTooLarge ? fail : warn;
  return tell(`${subnetFile} shall say ${lacking.join(', ')}`, trouble);
}

/** Doctor may only lack the daemon's flags. */
function masquerade(
  subnetFile: string,
  trouble: Parameters<typeof warn>[1],
  lacking: readonly string[],
): Finding {
  const note = `if the daemon was started ${lacking.includes('FLANNEL_IPMASQ=true') ? 'without' : 'with'} -ip-masq, give doctor the same flags`;
  return warn(`${subnetFile} shall say ${lacking.join(', ')}, by the flags that doctor was given`, {
    ...trouble,
    remedy: { ...trouble.remedy, text: note },
  });
}

function writeCommands(file: string, text: string): string[] {
  return [`mkdir -p ${shellWord(dirname(file))}`, `cat > ${shellWord(file)} <<'END'\n${text.trimEnd()}\nEND`];
}
