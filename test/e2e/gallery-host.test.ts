import { gallery } from './gallery/gallery.ts';
import { hostFaults } from './gallery/host-faults.ts';

gallery('host', hostFaults);
