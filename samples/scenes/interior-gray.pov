// Interior: a vaulted hall in sunlight, for a gray picture. One unit is 1 m.
#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 4
  radiosity { pretrace_start .08 pretrace_end .01 count 90 nearest_count 9 error_bound .6 low_error_factor .6 recursion_limit 2 brightness 1.9 } }
#declare Plaster = texture {
  pigment { bozo turbulence .6 octaves 6 color_map { [0 rgb .62] [1 rgb .76] } scale 1.4 }
  normal { granite .06 scale .6 } finish { ambient 0 diffuse .85 } }
#declare Stone = texture {
  pigment { granite turbulence .3 color_map { [0 rgb .46] [.5 rgb .60] [1 rgb .38] } scale .8 }
  normal { granite .05 scale .12 } finish { ambient 0 diffuse .8 specular .05 } }
#default { texture { Plaster } }

camera { location <-.95, 1.72, -10.2> look_at <.55, 2.12, 0> right x*1.5 up y angle 56 }
#declare Sun = vnormalize(<1, .82, -.30>);
light_source { Sun*300 rgb 4.4 area_light x*4.2, z*4.2, 4, 4 adaptive 0 jitter circular orient }
sky_sphere { pigment { gradient y color_map { [0 rgb 1.05] [.5 rgb .85] [1 rgb .55] } } }
plane { y, -.6 pigment { rgb .42 } }

// Bays of 3 m along z; the hall is 6 m wide. The right wall is open in tall arches.
#declare Bay = 3; #declare Bays = 7; #declare Half = 3;
#declare Spring = 3.1;
#declare Opening = union {
  box { <-1, -.02, -.85>, <1, 2.35, .85> }
  cylinder { <-1, 2.35, 0>, <1, 2.35, 0>, .85 } }
#declare Wall = difference {
  box { <0, 0, -Bay*Bays/2>, <.55, 6.5, Bay*Bays/2> }
  #for (I, 0, Bays - 1) object { Opening translate <.3, .55, (I - (Bays - 1)/2)*Bay> } #end
}
object { Wall translate x*Half }
// Left wall: blind niches, and a door.
difference {
  box { <-Half - .6, 0, -Bay*Bays/2>, <-Half, 6.5, Bay*Bays/2> }
  #for (I, 0, Bays - 1) object { Opening scale <.22, 1, .92> translate <-Half, .55, (I - (Bays - 1)/2)*Bay> } #end
}
// End wall with a round window over a doorway.
difference {
  box { <-Half - 1, 0, Bay*Bays/2>, <Half + 1, 7, Bay*Bays/2 + .5> }
  cylinder { z*9, z*12, .95 translate y*4.25 }
  box { <-.75, -1, 9>, <.75, 2.1, 12> } cylinder { z*9, z*12, .75 translate y*2.1 }
}
union { // tracery
  torus { .95, .07 rotate x*90 } torus { .34, .05 rotate x*90 }
  #for (I, 0, 7) cylinder { y*.34, y*.95, .035 rotate z*45*I } #end
  texture { Stone } translate <0, 4.25, Bay*Bays/2 + .1> }
box { <-Half - 1, 0, -Bay*Bays/2 - .4>, <Half + 1, 7, -Bay*Bays/2 - .1> }

// Groin vaults: a solid minus crossed barrels.
difference {
  box { <-Half - .001, Spring, -Bay*Bays/2>, <Half + .001, 6.6, Bay*Bays/2> }
  cylinder { -z*20, z*20, Half - .02 scale <1, .78, 1> translate y*Spring }
  #for (I, 0, Bays - 1)
    cylinder { -x*Half*1.01, x*Half*1.01, Bay/2 - .12 scale <1, 1.52, 1> translate <0, Spring, (I - (Bays - 1)/2)*Bay> }
  #end
}
// Ribs, half columns, bases and capitals.
#declare Column = union {
  cylinder { 0, y*Spring, .19 }
  #for (I, 0, 7) cylinder { y*.3, y*(Spring - .2), .045 translate x*.185 rotate y*45*I } #end
  box { <-.32, 0, -.32>, <.32, .22, .32> } torus { .23, .06 translate y*.27 } torus { .21, .04 translate y*.36 }
  torus { .2, .035 translate y*(Spring - .42) } cone { y*(Spring - .4), .19, y*(Spring - .12), .31 } box { <-.34, Spring - .13, -.34>, <.34, Spring + .02, .34> }
  texture { Stone } }
#for (I, 0, Bays)
  #declare Z = (I - Bays/2)*Bay;
  object { Column translate <-Half + .22, 0, Z> }
  object { Column translate <Half - .22, 0, Z> }
  difference {
    cylinder { -z*.15, z*.15, Half } cylinder { -z, z, Half - .26 } box { <-9, -9, -1>, <9, 0, 1> }
    texture { Stone } scale <1, .79, 1> translate <0, Spring, Z> }
#end
// Sills.
#for (I, 0, Bays - 1) box { <Half - .1, .48, -.98>, <Half + .62, .57, .98> texture { Stone } translate z*(I - (Bays - 1)/2)*Bay } #end

// Floor: worn flags, two tones, half polished.
#declare R = seed(4);
#for (I, -5, 4) #for (J, -18, 17)
  superellipsoid { <.04, .04> scale <.298, .05, .298> rotate <rand(R)*.5 - .25, 0, rand(R)*.5 - .25> translate <I*.6 + .3, -.05 + .004*rand(R), J*.6 + .3>
    texture {
      pigment { granite turbulence .5 #local G = select(mod(I + J + 40, 2) - .5, .20, .56)*(.85 + .3*rand(R));
        color_map { [0 rgb G*.8] [.5 rgb G] [.75 rgb G*1.15] [1 rgb G*.7] } scale .7 translate 30*rand(R) }
      normal { bumps .03 scale .3 }
      finish { ambient 0 diffuse .75 specular .12 roughness .02 reflection { .02, .32 fresnel on } conserve_energy } }
    interior { ior 1.45 } }
#end #end
box { <-Half, -.3, -11>, <Half, -.06, 11> pigment { rgb .25 } }

// A bench, an urn, and a chair left in the light.
#macro Leg(X, Z, H) cylinder { <X, 0, Z>, <X, H, Z>, .028 } #end
union {
  box { <-.24, .44, -.24>, <.24, .475, .24> }
  Leg(-.21, -.21, .45) Leg(.21, -.21, .45) Leg(-.21, .21, 1.02) Leg(.21, .21, 1.02)
  #for (I, 0, 2) box { <-.2, .62 + .15*I, .195>, <.2, .69 + .15*I, .225> } #end
  cylinder { <-.21, .18, -.21>, <.21, .18, -.21>, .018 } cylinder { <-.21, .2, -.21>, <-.21, .2, .21>, .018 } cylinder { <.21, .2, -.21>, <.21, .2, .21>, .018 }
  pigment { wood turbulence .05 color_map { [0 rgb .16] [1 rgb .07] } scale .05 rotate x*88 }
  finish { ambient 0 diffuse .8 specular .3 roughness .03 reflection .02 }
  rotate y*-128 translate <.55, 0, -5.3> }
union {
  box { <-.22, .42, -1.1>, <.22, .5, 1.1> } box { <-.18, 0, -.85>, <.18, .43, -.7> } box { <-.18, 0, .7>, <.18, .43, .85> }
  texture { Stone } translate <-2.35, 0, -3> }
#include "turned.inc"
object { Turned(array[10] { <.16, 0>, <.17, .03>, <.07, .10>, <.12, .18>, <.30, .42>, <.33, .62>, <.22, .80>, <.17, .86>, <.25, .95>, <.22, .94> }, 50, 56)
  pigment { rgb .82 } finish { ambient 0 diffuse .8 specular .4 roughness .02 reflection .03 }
  translate <-2.35, .5, -2.7> }
