import { gallery } from './gallery/gallery.ts';
import { pathFaults } from './gallery/path-faults.ts';

gallery('path', pathFaults);
